-- Who may do what; apply it after schema.sql as the database's owner, as often as you like. Passwords are set by hand:
--     \password moodring_ingest
-- moodring_ingest writes messages and calls the maintenance, and can read nothing. moodring_read is for Grafana.
do $$
declare
    name text;
begin
    foreach name in array array['moodring_ingest', 'moodring_read'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I login', name);
        end if;
    end loop;
end $$;
grant usage on schema moodring to moodring_ingest, moodring_read;
grant execute on function moodring.take(jsonb, timestamptz), moodring.maintain(timestamptz) to moodring_ingest;
grant select on all tables in schema moodring to moodring_read;
revoke select on moodring.rejected from moodring_read;
-- A query that somebody clicked together in Grafana must not hold up the campus.
alter role moodring_read set statement_timeout = '30s';
