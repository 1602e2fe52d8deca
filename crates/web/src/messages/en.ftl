# Texts of the page. Each language is one file here, named by its ISO 639-1 code; a test compares its keys with these.
# Only text, { $variables } and plurals ({ $count -> ... }) may be used.

language-name = English
description = How the class as a whole is doing

nav-label = Pages
nav-now = Now
nav-lessons = Lessons
skip = To the content
language-label = Language

state-connecting = connecting
state-starting = warming up
state-live = live
state-stale = no picture
state-too_few = too few
state-paused = paused
state-lost = no connection

word-bright = bright
word-attentive = attentive
word-calm = calm
word-restless = restless
word-strained = strained
word-drowsy = drowsy
word-unsure = unsure

headline-starting = warming up
headline-stale = no picture
headline-too_few = too few
headline-paused = paused

notice-starting = Waiting for the first picture.
notice-stale = No picture since { $time }. The figures are from that time.
notice-count = people in the room. This device counts people and estimates nothing else.
notice-stale-empty = No picture since { $time }.
notice-too_few = There are too few people: no figures are shown.
notice-paused = The camera is closed. No picture is taken.
notice-lost = The device has not answered since { $time }. Trying again.

mood-label = Mood of the class
pace-fine = The pace seems right
pace-too_fast = Perhaps too fast
pace-too_slow = Perhaps too slow
pace-unsure = The pace cannot be estimated
reason-following = most look to the front and few look strained
reason-strained = many look strained while they look to the front
reason-turned_away = most have turned away and few look strained
reason-undecided = the signs do not agree
reason-too_short = not observed for long enough yet
reason-not_read = too few expressions could be read
reason-no_figures = no figures now

figures-label = Figures
people = People
coverage = { $share } could be read
facing = Facing the front
between = { $low } to { $high }

expressions = Expressions in the class
expressions-note = These are estimates of expressions, not of feelings. The line is the estimate; the true share is in the light part with a probability of 90 %.
expressions-none = No figures now. After a start or a pause they return within ten minutes: until then they could show who left.
expression-happy = happy
expression-surprise = surprised
expression-neutral = neutral
expression-sad = sad
expression-fear = fearful
expression-angry = angry
expression-disgust = disgusted
expression-spoken = between { $low } and { $high }

trend = Trend
trend-span = Time span
trend-minutes = { $minutes } min
trend-ago = { $minutes } min ago
trend-now = now
trend-facing = facing the front
trend-pleasant = happy or surprised
trend-strained = angry, disgusted, fearful or sad
trend-spoken = Facing the front: { $facing } now, { $before } { $minutes } minutes ago.
trend-empty = No figures in this time yet.

attention = Where help may be needed
attention-none = No part of the class stands out.
attention-note = The class as seen from the front. A mark means that something has lasted for minutes. It is only a hint to go and look. It is shown on this page only and never stored.
attention-front = Front
attention-strained = { $place }: strained for { $minutes } min
attention-turned_away = { $place }: turned away for { $minutes } min
sign-strained = strained
sign-turned_away = turned away
place-back-left = Back left
place-back-middle = Back middle
place-back-right = Back right
place-middle-left = Left
place-middle-middle = Middle
place-middle-right = Right
place-front-left = Front left
place-front-middle = Front middle
place-front-right = Front right

controls = Controls
pause = Pause
resume = Resume
night = Night mode
sensitivity = How quickly the mood word follows the class
sensitivity-calm = calm
sensitivity-normal = normal
sensitivity-quick = quick
lesson-title = Lesson
lesson-begin = Begin lesson
lesson-end = End lesson
lesson-now = Lesson since { $time }
lesson-now-titled = { $title }, since { $time }
switch-closed = The privacy switch on the device is closed. The camera stays closed until the switch is opened.
refused-switch_closed = The privacy switch on the device is closed.
refused-not_stored = It took effect, but a restart would undo it: the device cannot write to its disk.
refused-no_lessons = Lessons are not recorded here.
refused-busy = The device received too many requests at once. Please try again.
refused-wrong = The device could not read this request.
refused-lost = The device does not answer.

untitled = A lesson
lesson-people = { $count } people
lesson-facing = { $share } facing the front
lessons-none = No lesson is recorded yet.
report = Report
more = Note, delete
compare = Compare
compare-hint = Choose two lessons to compare them.
compare-title = Two lessons side by side
compare-curves = Facing the front, minute by minute
compare-word = Mood
compare-length = Length
compare-pleasant = Happy or surprised
compare-strained = Strained
compare-fast = Perhaps too fast
compare-slow = Perhaps too slow
note = Your note
note-keep = Save note
note-kept = The note is saved.
delete = Delete lesson
delete-title = Delete this lesson?
delete-note = Its figures, report and note are deleted permanently.
delete-no = Keep lesson
delete-yes = Delete
deleted = The lesson is deleted.
refused-lesson_under_way = The lesson is still running; end it first.
refused-unknown_lesson = This lesson does not exist any more.
refused-store = The lessons cannot be read or written now.

wall = Display on the wall
wall-alt = Image of the small display on the wall

footer-note = These are estimates of expressions, not of feelings. They are never a mark or a record of a person.
footer-privacy = No picture leaves this device. Figures are of the class as a whole.
noscript = This page needs JavaScript to show figures live. The same figures are at /api/v1/mood.

pair-title = Pair this phone
pair-how = Hold the device's button for eight seconds; its display then shows six digits. Or its administrator runs “moodring pair” on it.
pair-code = The six digits
pair-send = Pair
refused-wrong_code = This is not the code on the display.
refused-not_offered = The device shows no code. Hold its button for eight seconds.
refused-too_many = Too many wrong codes. Hold the button again for a new one.
refused-pairing_not_stored = The device cannot store this: its disk is full or read-only. Nothing has changed.
refused-account_not_trusted = This account of the machine may only read. Use an account that may use sudo.
refused-not_administrator = Only the administrator may do this.
refused-not_paired = This phone is not paired any more.

aim-title = Aim the camera
aim-picture = What the camera sees; heads are made unrecognisable
aim-how = To look through the camera, stand at the device and
aim-how-button = hold its button for 15 to 30 seconds,
aim-how-console = or run on it, as its administrator:
aim-note = Then, for ten minutes, this page shows the picture to the administrator only: small, grey, with heads made unrecognisable. The picture is never stored.
aim-noscript = This page needs JavaScript to show the picture.
aim-waiting = Waiting for a picture.
aim-paused = The camera is closed. Resume first.
aim-until = Until { $time }
aim-done = Done
aim-heads = { $count ->
    [one] One head is counted.
   *[other] { $count } heads are counted.
 }
aim-none = No head was found. Does the camera point at the class?
aim-fine = All are large enough.
aim-small = { $count ->
    [one] One head is smaller than { $px } px: move closer or use 1080p.
   *[other] { $count } heads are smaller than { $px } px: move closer or use 1080p.
 }
aim-small-closer = { $count ->
    [one] One head is smaller than { $px } px: move closer.
   *[other] { $count } heads are smaller than { $px } px: move closer.
 }
aim-outside = { $count ->
    [one] One head is not counted because of the zones.
   *[other] { $count } heads are not counted because of the zones.
 }
aim-legend-counted = counted
aim-legend-small = too small
aim-legend-out = not counted
aiming-now = An administrator can see the camera picture now, to aim the camera.
refused-aiming_not_offered = The camera picture is not available now.
refused-aiming_other_viewer = Another administrator is aiming the camera. Only one can see the picture at a time.
zones-title = Zones
zones-how = Drag on the picture for a rectangle, or tap the corners of a shape one after the other.
zone-kind = Purpose of the zone
zone-ignore = Do not count here
zone-only = Count only here
zone-add = Add a rectangle
zone-close = Close the shape
zone-discard = Discard the shape
zone-numbered = zone { $number }
zone-name = Name
zone-corners = Corners: x y, as fractions of the picture
zone-delete = Delete { $name }
zones-toml = For the configuration file
zones-toml-note = The device uses the zones of its configuration file. Replace all zones there with this text, then run: systemctl reload moodring
copy = Copy
copied = Copied.
fault-corners = “{ $zone }” needs 3 to 32 corners.
fault-outside = “{ $zone }” reaches outside the picture.
fault-crossing = The edges of “{ $zone }” cross. Give its corners in order.
fault-tiny = “{ $zone }” is too small.
fault-too_many = There are too many zones.
fault-nothing_left = These zones exclude the whole picture.

setup-title = Set up this device
setup-intro = Nothing is written before you have seen the changes.
setup-room = Room
setup-site = School or campus
setup-name = Room
setup-purpose = Purpose
setup-purpose-why = What the device is for, and under which law. In schools and at work in the EU and the EEA it may only count people.
setup-mode = What is estimated
setup-mode-mood = Expressions of the class, the number of people, and how many face the front
setup-mode-occupancy = The number of people, how many face the front, and how restless they are
setup-mode-count = The number of people and nothing else; no declaration is needed
setup-jurisdiction = Country, in two letters, such as IN or US-IL
setup-institution = What the place is for
setup-education = Education
setup-work = Work
setup-event = An event
setup-research = Research
setup-home = A home
setup-consent = How people (for children, their parents) were informed and agreed
setup-contact = Person responsible for the device, and how to reach them
setup-law = What the law there requires (from secondary sources, no legal advice):
setup-least = Smallest group for which figures are shown
setup-least-why = 5 to 100. In smaller groups, the expression of one person can easily be derived from the figures.
setup-camera = Camera
setup-camera-which = Source of the pictures
setup-camera-mode = Size of the pictures
setup-camera-as-is = As it is set now
setup-camera-size = { $width } × { $height }, up to { $rate } pictures a second ({ $format })
setup-view = What the camera sees
setup-view-room = A room
setup-view-gallery = A video call: a gallery of tiles
setup-view-why = Show the gallery on an HDMI grabber, without your own picture and without people who have no video. Everybody in the call must be informed.
setup-camera-none = No camera was found. Connect one and search again, or start with the simulated class.
setup-camera-file = The file that is set now
setup-camera-again = Search again
setup-simulator = A simulated class, to try it out
setup-broker = Dashboard
setup-broker-which = Where the device publishes, over MQTT
setup-broker-off = Nowhere
setup-broker-embedded = A broker in this device, for this machine only
setup-broker-external = A broker in the network
setup-host = Its name or address
setup-port = Port
setup-tls = Encrypted (TLS)
setup-ca = If a private authority certified it, name the authority’s file in the configuration file: mqtt.tls.ca_file.
setup-username = User name
setup-password = Password
setup-password-why = It is stored in a separate file that only the device can read.
setup-password-kept = A password is stored already; leave this empty to keep it. For another address, port or user name, or with other encryption, type it again.
setup-try = Try the connection
setup-trying = Connecting…
setup-reached = The broker accepts this device.
obstacle-nothing_listens = No program listens there. Check the port, and that the broker runs.
obstacle-credentials = The broker does not accept this user name or password.
obstacle-tls = The encrypted connection cannot be trusted. Check the certificate authority, and the name in the broker's certificate.
obstacle-timeout = There was no answer in time. Check the address, the port and the network.
obstacle-unreachable = The broker cannot be reached. Check the address, and whether the broker expects TLS.
obstacle-forbidden = The service may not reach that address yet: docs/guide/install.md, "A broker", says how to allow it.
obstacle-refused = The broker refuses this device.
setup-lessons = Lessons
setup-begin = How lessons begin
setup-begin-automatic = Automatically, when people come and go
setup-begin-timetable = By the timetable
setup-begin-command = Only by command
setup-timetable = Timetable
setup-days = Days
setup-time = Begins
setup-minutes = Minutes
setup-lesson-name = Name of the lesson; not of a person
setup-add = Add a lesson
setup-remove = Remove
setup-zone = Time zone; empty: the system's
day-mon-fri = Monday to Friday
day-mon-sat = Monday to Saturday
day-mon = Monday
day-tue = Tuesday
day-wed = Wednesday
day-thu = Thursday
day-fri = Friday
day-sat = Saturday
day-sun = Sunday
setup-check = Show the changes
setup-faults = Some values are not valid; they are marked above.
setup-changes = Changes
setup-same = There are no changes.
setup-save = Save
setup-saved = Saved
setup-holds = The new settings are in use.
setup-begins = The device restarts with the new settings; this takes some seconds.
setup-runs = The device runs with the new settings.
setup-needs-restart = Saved. These keys apply after a restart of the program (systemctl restart moodring): { $keys }
setup-open = Open the page
setup-link = This device is new. Set it up
setup-nav = Set up
refused-changed_meanwhile = Somebody else changed the file meanwhile. Check the changes again.
refused-not_written = The file cannot be written.
