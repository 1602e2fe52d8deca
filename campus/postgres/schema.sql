-- What a campus keeps of its rooms: plain PostgreSQL 14 or later, no extension; it runs the same where TimescaleDB is
-- installed. Apply it as often as you like, as the owner of the database:
--     psql -1 -v ON_ERROR_STOP=1 -f schema.sql      or      moodring-campus ingest --init
-- Messages come in through moodring.take(), which takes each (device, spool, sequence) once. moodring.maintain(), called
-- by the ingest each hour, makes partitions, rolls up and forgets. Nobody needs rights on tables to write: see roles.sql.

select pg_advisory_xact_lock(7305808869231649383);
set local client_min_messages = warning;
create schema if not exists moodring;

-- One row of choices. keep_*: how long; the boundary is the begin of a day in time_zone.
create table if not exists moodring.setting (
    only_row boolean primary key default true check (only_row),
    time_zone text not null default 'UTC',
    keep_minute interval not null default '90 days',
    keep_summary interval not null default '3 years',
    keep_lesson interval not null default '1 year',
    keep_event interval not null default '1 year',
    keep_health interval not null default '14 days',
    max_rejected integer not null default 1000
);
insert into moodring.setting default values on conflict do nothing;

-- The newest that is known of each device. status comes from the device or, as its last will, from the broker.
create table if not exists moodring.device (
    device text primary key,
    site text not null,
    room text not null,
    version text,
    status text check (status in ('online', 'offline')),
    reason text,
    status_since timestamptz,
    seen_at timestamptz
);
create index if not exists device_room on moodring.device (site, room);

-- One minute of a lesson. Partitioned by week, so that forgetting is dropping a table; `at` is in the key because it
-- must be, and harms nothing: a message that comes twice has the same `at` both times.
create table if not exists moodring.minute (
    device text not null, spool text not null, sequence bigint not null, at timestamptz not null,
    site text not null, room text not null,
    lesson timestamptz not null, number integer not null,
    state text not null, live real not null, people real, coverage real, word text not null, pace text not null,
    facing real, facing_low real, facing_high real,
    angry real, angry_low real, angry_high real,
    disgust real, disgust_low real, disgust_high real,
    fear real, fear_low real, fear_high real,
    happy real, happy_low real, happy_high real,
    sad real, sad_low real, sad_high real,
    surprise real, surprise_low real, surprise_high real,
    neutral real, neutral_low real, neutral_high real,
    valence real, valence_low real, valence_high real,
    arousal real, arousal_low real, arousal_high real,
    engagement real, engagement_low real, engagement_high real,
    restlessness real, restlessness_low real, restlessness_high real,
    primary key (device, spool, sequence, at)
) partition by range (at);
create index if not exists minute_room on moodring.minute (site, room, at);
create table if not exists moodring.minute_other partition of moodring.minute default;

-- A lesson began, or ended with its summary: one row a message. The view moodring.lessons makes one row a lesson of it.
create table if not exists moodring.lesson (
    device text not null, spool text not null, sequence bigint not null, at timestamptz not null,
    site text not null, room text not null,
    kind text not null, lesson timestamptz not null, title text, mode text not null,
    begun_by text not null, ended_at timestamptz, ended_by text,
    minutes integer, live real, people real, word text, pace text, metrics jsonb,
    primary key (device, spool, sequence)
);
create index if not exists lesson_begin on moodring.lesson (device, lesson);
create index if not exists lesson_room on moodring.lesson (site, room, lesson);

-- Something happened to a device.
create table if not exists moodring.event (
    device text not null, spool text not null, sequence bigint not null, at timestamptz not null,
    site text not null, room text not null,
    kind text not null, detail text,
    primary key (device, spool, sequence)
);
create index if not exists event_at on moodring.event (at);

-- How devices are; not spooled, so its key is its time.
create table if not exists moodring.health (
    device text not null, at timestamptz not null,
    site text not null, room text not null,
    version text not null, models jsonb not null, uptime_s bigint not null,
    camera text not null, problems jsonb not null,
    rss_bytes bigint, load_1min real, celsius real, throttled boolean, frames_per_s real, inference_ms real,
    cycles bigint, observations_dropped bigint,
    spool_waiting bigint not null, spool_dropped bigint not null, spool_disk_writes bigint, spool_sequence bigint,
    reconnects bigint, clock_synchronised boolean, engine text,
    primary key (device, at)
) partition by range (at);
create table if not exists moodring.health_other partition of moodring.health default;

-- What could not be read, to find out who sends it: the newest setting.max_rejected of them.
create table if not exists moodring.rejected (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    topic text not null, reason text not null, payload text not null
);

-- Hours and days of a room, in time_zone: means over its minutes; a minute without a figure does not count for it.
create table if not exists moodring.summary (
    span text not null check (span in ('hour', 'day')),
    site text not null, room text not null, begins timestamptz not null,
    minutes integer not null, live_minutes integer not null, people real, max_people real, coverage real,
    facing real, facing_low real, facing_high real,
    angry real, angry_low real, angry_high real,
    disgust real, disgust_low real, disgust_high real,
    fear real, fear_low real, fear_high real,
    happy real, happy_low real, happy_high real,
    sad real, sad_low real, sad_high real,
    surprise real, surprise_low real, surprise_high real,
    neutral real, neutral_low real, neutral_high real,
    valence real, valence_low real, valence_high real,
    arousal real, arousal_low real, arousal_high real,
    engagement real, engagement_low real, engagement_high real,
    restlessness real, restlessness_low real, restlessness_high real,
    primary key (span, site, room, begins)
);
-- Days whose minutes have changed since they were rolled up.
create table if not exists moodring.stale_day (
    site text not null, room text not null, day date not null, marks bigint not null default 1,
    primary key (site, room, day)
);

-- When setting's time_zone has its midnight on `day`.
create or replace function moodring.midnight(day date) returns timestamptz
language sql stable set search_path = moodring, pg_temp as $$
    select midnight.day::timestamp at time zone time_zone from setting
$$;

-- What is older than this goes: whole days, so that a day's roll-up never lacks some of its minutes.
create or replace function moodring.boundary(keep interval, now timestamptz) returns timestamptz
language sql stable set search_path = moodring, pg_temp as $$
    select midnight(((now - keep) at time zone time_zone)::date) from setting
$$;

-- Marks the days of new minutes. An update, not "do nothing": it makes roll_up() wait for this transaction, so that
-- no minute can slip between its mark and its commit. Days that are partly forgotten are not rolled up again.
create or replace function moodring.mark_stale() returns trigger
language plpgsql security definer set search_path = moodring, pg_temp as $$
begin
    insert into stale_day as known (site, room, day)
    select distinct site, room, (at at time zone time_zone)::date as day from added, setting
    where at >= boundary(keep_minute, now())
    order by site, room, day
    on conflict (site, room, day) do update set marks = known.marks + 1;
    return null;
end $$;
create or replace trigger mark_stale after insert on moodring.minute
    referencing new table as added for each statement execute function moodring.mark_stale();

-- One partition a week (from Monday, UTC) of `parent`, from the week of `first` to that of `last`. Rows of that week that
-- waited in the default partition move over. Yields how many were made.
create or replace function moodring.make_partitions(parent text, first timestamptz, last timestamptz) returns integer
language plpgsql security definer set search_path = moodring, pg_temp as $$
declare
    week timestamptz := date_trunc('week', first, 'UTC');
    name text;
    made integer := 0;
begin
    while week <= last loop
        name := parent || '_' || to_char(week at time zone 'UTC', 'YYYYMMDD');
        if to_regclass('moodring.' || quote_ident(name)) is null then
            execute format('create table %I (like %I including defaults)', name, parent);
            execute format('with moved as (delete from %I where at >= %L and at < %L returning *)
                            insert into %I select * from moved',
                           parent || '_other', week, week + interval '7 days', name);
            execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                           parent, name, week, week + interval '7 days');
            made := made + 1;
        end if;
        week := week + interval '7 days';
    end loop;
    return made;
end $$;

-- Takes a batch in: {"minutes": [row…], "lessons": …, "events": …, "healths": …, "statuses": …, "rejected": …}, each row
-- an object whose keys are the table's columns. Yields how many rows of each are new; the others had come before.
create or replace function moodring.take(batch jsonb, now timestamptz default now())
returns table (minutes bigint, lessons bigint, events bigint, healths bigint)
language plpgsql security definer set search_path = moodring, pg_temp as $$
begin
    insert into minute select * from jsonb_populate_recordset(null::minute, batch -> 'minutes') on conflict do nothing;
    get diagnostics minutes = row_count;
    insert into lesson select * from jsonb_populate_recordset(null::lesson, batch -> 'lessons') on conflict do nothing;
    get diagnostics lessons = row_count;
    insert into event select * from jsonb_populate_recordset(null::event, batch -> 'events') on conflict do nothing;
    get diagnostics events = row_count;
    insert into health select * from jsonb_populate_recordset(null::health, batch -> 'healths') on conflict do nothing;
    get diagnostics healths = row_count;
    perform meet(batch, now);
    if jsonb_array_length(batch -> 'rejected') > 0 then
        insert into rejected (at, topic, reason, payload)
        select now, topic, reason, payload from jsonb_populate_recordset(null::rejected, batch -> 'rejected');
        delete from rejected where id <= (select max(id) from rejected) - (select max_rejected from setting);
    end if;
    return next;
end $$;

-- Updates moodring.device from a batch. A device is in the room that its newest message named.
create or replace function moodring.meet(batch jsonb, now timestamptz) returns void
language plpgsql security definer set search_path = moodring, pg_temp as $$
begin
    insert into device as known (device, site, room, version, seen_at)
    select distinct on (device) device, site, room, version, least(at, now)
    from (select * from jsonb_to_recordset((batch -> 'minutes') || (batch -> 'lessons') || (batch -> 'events') || (batch -> 'healths'))
          as row (device text, site text, room text, version text, at timestamptz)) as told
    order by device, at desc, version nulls last
    on conflict (device) do update set
        site = excluded.site, room = excluded.room, version = coalesce(excluded.version, known.version),
        seen_at = excluded.seen_at
    where known.seen_at is null or known.seen_at <= excluded.seen_at;
    insert into device as known (device, site, room, version, status, reason, status_since)
    select device, site, room, version, status, reason, now
    from jsonb_populate_recordset(null::device, batch -> 'statuses') order by device
    on conflict (device) do update set
        site = excluded.site, room = excluded.room, version = excluded.version,
        status = excluded.status, reason = excluded.reason, status_since = excluded.status_since
    where (known.status, known.reason, known.version, known.site, known.room)
        is distinct from (excluded.status, excluded.reason, excluded.version, excluded.site, excluded.room);
end $$;

-- Rolls up every stale day and its hours; yields how many days. Two statements, since the second must see what the
-- first had to wait for.
create or replace function moodring.roll_up() returns integer
language plpgsql security definer set search_path = moodring, pg_temp as $$
declare
    days jsonb;
begin
    with taken as (delete from stale_day returning site, room, day)
    select coalesce(jsonb_agg(taken), '[]') into days from taken;
    delete from summary s using jsonb_to_recordset(days) as d (site text, room text, day date)
    where s.site = d.site and s.room = d.room and s.begins >= midnight(d.day) and s.begins < midnight(d.day + 1);
    insert into summary (span, site, room, begins, minutes, live_minutes, people, max_people, coverage,
        facing, facing_low, facing_high,
        angry, angry_low, angry_high,
        disgust, disgust_low, disgust_high,
        fear, fear_low, fear_high,
        happy, happy_low, happy_high,
        sad, sad_low, sad_high,
        surprise, surprise_low, surprise_high,
        neutral, neutral_low, neutral_high,
        valence, valence_low, valence_high,
        arousal, arousal_low, arousal_high,
        engagement, engagement_low, engagement_high,
        restlessness, restlessness_low, restlessness_high)
    select span, m.site, m.room, date_trunc(span, m.at, time_zone),
           count(*), count(*) filter (where state = 'live'), avg(people), max(people), avg(coverage),
           avg(facing), avg(facing_low), avg(facing_high),
           avg(angry), avg(angry_low), avg(angry_high),
           avg(disgust), avg(disgust_low), avg(disgust_high),
           avg(fear), avg(fear_low), avg(fear_high),
           avg(happy), avg(happy_low), avg(happy_high),
           avg(sad), avg(sad_low), avg(sad_high),
           avg(surprise), avg(surprise_low), avg(surprise_high),
           avg(neutral), avg(neutral_low), avg(neutral_high),
           avg(valence), avg(valence_low), avg(valence_high),
           avg(arousal), avg(arousal_low), avg(arousal_high),
           avg(engagement), avg(engagement_low), avg(engagement_high),
           avg(restlessness), avg(restlessness_low), avg(restlessness_high)
    from (
        -- After a restart of its device a minute may come again under a later sequence: the later one counts.
        select distinct on (m.device, m.lesson, m.number) m.*
        from jsonb_to_recordset(days) as d (site text, room text, day date)
        join minute m on m.site = d.site and m.room = d.room and m.at >= midnight(d.day) and m.at < midnight(d.day + 1)
        order by m.device, m.lesson, m.number, m.sequence desc
    ) as m
    cross join (values ('hour'), ('day')) as spans (span)
    cross join setting
    group by 1, 2, 3, 4;
    return jsonb_array_length(days);
end $$;

-- Forgets what is older than setting says; yields how many rows of each table went.
create or replace function moodring.forget_old(now timestamptz default now())
returns table (name text, removed bigint)
language plpgsql security definer set search_path = moodring, pg_temp as $$
declare
    rule record;
    old record;
    rows bigint;
begin
    for rule in
        select parent, boundary(keep, now) as before, whole
        from setting, lateral (values ('minute', keep_minute, 'at'), ('health', keep_health, 'at'),
            ('lesson', keep_lesson, 'at'), ('event', keep_event, 'at'), ('summary', keep_summary, 'begins'))
            as rules (parent, keep, whole)
    loop
        name := rule.parent;
        removed := 0;
        -- A partition's name says its week; those that lie wholly before the boundary go at once.
        for old in
            select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = to_regclass('moodring.' || rule.parent) and c.relname ~ '_[0-9]{8}$'
              and to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC' + interval '7 days' <= rule.before
        loop
            execute format('select count(*) from %I', old.relname) into rows;
            execute format('drop table %I', old.relname);
            removed := removed + rows;
        end loop;
        execute format('delete from %I where %I < %L', rule.parent, rule.whole, rule.before);
        get diagnostics rows = row_count;
        removed := removed + rows;
        return next;
    end loop;
end $$;

-- What must be done now and then: the ingest calls it each hour. One at a time; who comes second does nothing.
create or replace function moodring.maintain(now timestamptz default now())
returns table (partitions integer, days integer, forgotten bigint)
language plpgsql security definer set search_path = moodring, pg_temp as $$
begin
    if not pg_try_advisory_xact_lock(7305808869231649384) then
        return;
    end if;
    -- A spool may be five weeks old when its device comes back.
    partitions := make_partitions('minute', now - interval '5 weeks', now + interval '2 weeks')
                + make_partitions('health', now - interval '1 week', now + interval '2 weeks');
    days := roll_up();
    select coalesce(sum(removed), 0) into forgotten from forget_old(now);
    return next;
end $$;

-- Everything that is known of a device goes, and of its rooms what came from it alone. Yields how many rows went.
create or replace function moodring.forget_device(id text) returns bigint
language plpgsql security definer set search_path = moodring, pg_temp as $$
declare
    parent text;
    rows bigint;
    total bigint := 0;
begin
    insert into stale_day (site, room, day)
    select distinct site, room, (at at time zone time_zone)::date from minute, setting where device = id
    on conflict do nothing;
    foreach parent in array array['minute', 'lesson', 'event', 'health', 'device'] loop
        execute format('delete from %I where device = $1', parent) using id;
        get diagnostics rows = row_count;
        total := total + rows;
    end loop;
    perform roll_up();
    return total;
end $$;

-- One row a lesson: the message of its end where that has come, else that of its begin.
create or replace view moodring.lessons as
select distinct on (device, lesson) *
from moodring.lesson
order by device, lesson, (kind = 'ended') desc, at desc;

-- One row a device: how it is, and whatever an administrator should look at. A device that tells nothing for 10 minutes
-- is taken for offline even if its broker went down before it could say so.
create or replace view moodring.inventory as
select d.device, d.site, d.room, coalesce(h.version, d.version) as version, d.seen_at,
       case when d.status = 'offline' then coalesce(d.reason, 'offline')
            when d.seen_at < now() - interval '10 minutes' or d.seen_at is null then 'silent'
            else 'online' end as connection,
       h.at as health_at, h.camera, h.problems, h.celsius, h.throttled, h.spool_waiting, h.spool_dropped,
       h.frames_per_s, h.inference_ms, h.rss_bytes, h.uptime_s, h.reconnects, h.clock_synchronised, h.engine
from moodring.device d
left join lateral (
    select * from moodring.health h where h.device = d.device order by h.at desc limit 1
) h on true;

-- One row a room: its newest minute, if it is of the last ten.
create or replace view moodring.room_now as
select d.site, d.room, coalesce(m.state, 'no lesson') as state, m.at, m.people, m.facing, m.facing_low, m.facing_high,
       m.engagement, m.engagement_low, m.engagement_high, m.word, m.pace, m.coverage
from (select distinct site, room from moodring.device) d
left join lateral (
    select * from moodring.minute m
    where m.site = d.site and m.room = d.room and m.at > now() - interval '10 minutes' and m.at <= now()
    order by m.at desc limit 1
) m on true;

select moodring.make_partitions('minute', now() - interval '5 weeks', now() + interval '2 weeks'),
       moodring.make_partitions('health', now() - interval '1 week', now() + interval '2 weeks');
revoke all on all functions in schema moodring from public;
