# हिन्दी

language-name = हिन्दी
description = पूरी कक्षा का हाल

nav-label = पन्ने
nav-now = अभी
nav-lessons = पाठ
skip = मुख्य भाग पर जाएँ
language-label = भाषा

state-connecting = जुड़ रहा है
state-starting = तैयार हो रहा है
state-live = चालू
state-stale = तस्वीर नहीं
state-too_few = बहुत कम लोग
state-paused = रुका हुआ
state-lost = संपर्क नहीं

word-bright = प्रफुल्ल
word-attentive = एकाग्र
word-calm = शांत
word-restless = बेचैन
word-strained = तनावपूर्ण
word-drowsy = उनींदी
word-unsure = अनिश्चित

headline-starting = तैयारी
headline-stale = तस्वीर नहीं
headline-too_few = बहुत कम लोग
headline-paused = रुका हुआ

notice-starting = पहली तस्वीर की प्रतीक्षा है।
notice-stale = { $time } से कोई तस्वीर नहीं आई। आँकड़े उसी समय के हैं।
notice-stale-empty = { $time } से कोई तस्वीर नहीं आई।
notice-too_few = लोग बहुत कम हैं: आँकड़े नहीं दिखाए जाते।
notice-paused = कैमरा बंद है। कोई तस्वीर नहीं ली जाती।
notice-lost = { $time } से उपकरण उत्तर नहीं दे रहा। फिर से प्रयास हो रहा है।

mood-label = कक्षा का माहौल
pace-fine = गति ठीक लगती है
pace-too_fast = शायद गति अधिक है
pace-too_slow = शायद गति कम है
pace-unsure = गति का अनुमान नहीं लगाया जा सकता
reason-following = अधिकतर सामने देख रहे हैं और कम ही तनाव में दिखते हैं
reason-strained = कई सामने देखते हुए तनाव में दिखते हैं
reason-turned_away = अधिकतर सामने नहीं देख रहे और कम ही तनाव में दिखते हैं
reason-undecided = संकेत आपस में मेल नहीं खाते
reason-too_short = अभी पर्याप्त समय तक देखा नहीं गया
reason-not_read = बहुत कम चेहरे पढ़े जा सके
reason-no_figures = अभी आँकड़े नहीं हैं

figures-label = आँकड़े
people = लोग
coverage = { $share } पढ़े जा सके
facing = सामने देख रहे
between = { $low } से { $high }

expressions = कक्षा में चेहरे के भाव
expressions-note = ये अनुमान हैं, भावों के, भावनाओं के नहीं। रेखा अनुमान है; 90 % संभावना से सही भाग हल्के हिस्से में है।
expressions-none = अभी आँकड़े नहीं हैं।
expression-happy = खुश
expression-surprise = चकित
expression-neutral = सामान्य
expression-sad = उदास
expression-fear = भयभीत
expression-angry = क्रोधित
expression-disgust = अरुचि
expression-spoken = { $low } और { $high } के बीच

trend = रुझान
trend-span = समयावधि
trend-minutes = { $minutes } मिनट
trend-ago = { $minutes } मिनट पहले
trend-now = अभी
trend-facing = सामने देख रहे
trend-pleasant = खुश या चकित
trend-strained = क्रोधित, अरुचि, भयभीत या उदास
trend-spoken = सामने देख रहे: अभी { $facing }, { $minutes } मिनट पहले { $before }।
trend-empty = इस अवधि के आँकड़े अभी नहीं हैं।

attention = कहाँ मदद की ज़रूरत हो सकती है
attention-none = कक्षा का कोई हिस्सा अलग नहीं दिखता।
attention-note = सामने से दिखती कक्षा। चिह्न का अर्थ है कि कुछ कई मिनट तक बना रहा; यह केवल पास जाकर देखने का संकेत है। यह केवल इसी पन्ने पर दिखता है, कभी सहेजा नहीं जाता।
attention-front = आगे
attention-strained = { $place }: { $minutes } मिनट से तनाव में
attention-turned_away = { $place }: { $minutes } मिनट से सामने नहीं देख रहे
sign-strained = तनाव में
sign-turned_away = सामने नहीं
place-back-left = पीछे बाएँ
place-back-middle = पीछे बीच में
place-back-right = पीछे दाएँ
place-middle-left = बाएँ
place-middle-middle = बीच में
place-middle-right = दाएँ
place-front-left = आगे बाएँ
place-front-middle = आगे बीच में
place-front-right = आगे दाएँ

controls = नियंत्रण
pause = रोकें
resume = फिर चलाएँ
night = रात का ढंग
sensitivity = माहौल का शब्द कितनी जल्दी बदले
sensitivity-calm = धीरे
sensitivity-normal = सामान्य
sensitivity-quick = जल्दी
lesson-title = पाठ
lesson-begin = पाठ शुरू करें
lesson-end = पाठ समाप्त करें
lesson-now = { $time } से पाठ
lesson-now-titled = { $title }, { $time } से
switch-closed = उपकरण का गोपनीयता बटन बंद है। जब तक उसे खोला न जाए, कैमरा बंद रहेगा।
refused-switch_closed = उपकरण का गोपनीयता बटन बंद है।
refused-no_lessons = यहाँ पाठ दर्ज नहीं किए जाते।
refused-busy = उपकरण को एक साथ बहुत अधिक अनुरोध मिले। कृपया फिर प्रयास करें।
refused-wrong = उपकरण इस अनुरोध को पढ़ नहीं सका।
refused-lost = उपकरण उत्तर नहीं दे रहा।

untitled = एक पाठ
lesson-people = { $count } लोग
lesson-facing = { $share } सामने देख रहे
lessons-none = अभी कोई पाठ दर्ज नहीं है।
report = रिपोर्ट
more = टिप्पणी, हटाना
compare = तुलना
compare-hint = तुलना के लिए दो पाठ चुनें।
compare-title = दो पाठ साथ-साथ
compare-curves = सामने देख रहे, मिनट दर मिनट
compare-word = माहौल
compare-length = अवधि
compare-pleasant = खुश या चकित
compare-strained = तनाव में
compare-fast = शायद गति अधिक
compare-slow = शायद गति कम
note = आपकी टिप्पणी
note-keep = टिप्पणी सहेजें
note-kept = टिप्पणी सहेज ली गई।
delete = पाठ हटाएँ
delete-title = यह पाठ हटाएँ?
delete-note = इसके आँकड़े, रिपोर्ट और टिप्पणी स्थायी रूप से हटा दिए जाएँगे।
delete-no = पाठ रहने दें
delete-yes = हटाएँ
deleted = पाठ हटा दिया गया।
refused-lesson_under_way = पाठ अभी चल रहा है; पहले उसे समाप्त करें।
refused-unknown_lesson = ऐसा कोई पाठ अब नहीं है।
refused-store = पाठ अभी पढ़े या लिखे नहीं जा सकते।

wall = दीवार का परदा
wall-alt = दीवार के छोटे परदे का चित्र

footer-note = ये चेहरे के भावों के अनुमान हैं, भावनाओं के नहीं; किसी व्यक्ति का अंक या लेखा कभी नहीं।
footer-privacy = कोई तस्वीर इस उपकरण से बाहर नहीं जाती। आँकड़े पूरी कक्षा के हैं।
noscript = जीवंत आँकड़ों के लिए इस पन्ने को JavaScript चाहिए। यही आँकड़े /api/v1/mood पर हैं।

pair-title = इस फ़ोन को जोड़ें
pair-how = उपकरण का बटन आठ सेकंड तक दबाए रखें; तब उसके परदे पर छह अंक दिखेंगे। या उसका व्यवस्थापक उस पर “moodring pair” चलाए।
pair-code = छह अंक
pair-send = जोड़ें
refused-wrong_code = परदे पर यह कोड नहीं है।
refused-not_offered = उपकरण पर अभी कोई कोड नहीं है। उसका बटन आठ सेकंड तक दबाए रखें।
refused-too_many = बहुत बार ग़लत कोड डाला गया। नए कोड के लिए बटन फिर दबाएँ।
refused-not_administrator = यह केवल व्यवस्थापक कर सकते हैं।
refused-not_paired = यह फ़ोन अब जुड़ा हुआ नहीं है।

aim-title = कैमरे को साधें
aim-picture = कैमरे को क्या दिखता है; सिर पहचाने नहीं जा सकते
aim-how = कैमरे से देखने के लिए उपकरण के पास जाएँ और
aim-how-button = उसका बटन 15 से 30 सेकंड तक दबाए रखें,
aim-how-console = या उस पर व्यवस्थापक के रूप में यह चलाएँ:
aim-note = तब चित्र दस मिनट तक यहाँ दिखता है, केवल व्यवस्थापक को: छोटा, धूसर, और सिर पहचाने नहीं जा सकते। वह कभी सहेजा नहीं जाता।
aim-noscript = चित्र दिखाने के लिए इस पृष्ठ को जावास्क्रिप्ट चाहिए।
aim-waiting = चित्र की प्रतीक्षा है।
aim-paused = कैमरा बंद है। पहले उसे फिर से चालू करें।
aim-until = { $time } तक
aim-done = हो गया
aim-heads = { $count ->
    [one] { $count } सिर गिना जाता है।
   *[other] { $count } सिर गिने जाते हैं।
 }
aim-none = कोई सिर नहीं मिला। क्या कैमरा कक्षा की ओर है?
aim-fine = सब पर्याप्त बड़े हैं।
aim-small = { $count ->
    [one] { $count } सिर { $px } पिक्सेल से छोटा है: उपकरण को पास लाएँ या 1080p चुनें।
   *[other] { $count } सिर { $px } पिक्सेल से छोटे हैं: उपकरण को पास लाएँ या 1080p चुनें।
 }
aim-small-closer = { $count ->
    [one] { $count } सिर { $px } पिक्सेल से छोटा है: उपकरण को पास लाएँ।
   *[other] { $count } सिर { $px } पिक्सेल से छोटे हैं: उपकरण को पास लाएँ।
 }
aim-outside = { $count ->
    [one] { $count } सिर क्षेत्रों के कारण नहीं गिना जाता।
   *[other] { $count } सिर क्षेत्रों के कारण नहीं गिने जाते।
 }
aim-legend-counted = गिना जाता है
aim-legend-small = बहुत छोटा
aim-legend-out = नहीं गिना जाता
aiming-now = कैमरे को साधने के लिए व्यवस्थापक अभी उसका चित्र देख सकता है।
refused-aiming_not_offered = कैमरे का चित्र अभी उपलब्ध नहीं है।
refused-aiming_other_viewer = कोई और व्यवस्थापक कैमरे को साध रहा है। एक समय में एक ही चित्र देख सकता है।
zones-title = क्षेत्र
zones-how = आयत के लिए चित्र पर उँगली खींचें, या किसी आकृति के कोनों को एक-एक करके छुएँ।
zone-kind = क्षेत्र का उद्देश्य
zone-ignore = यहाँ न गिनें
zone-only = केवल यहाँ गिनें
zone-add = आयत जोड़ें
zone-close = आकृति पूरी करें
zone-discard = आकृति छोड़ें
zone-numbered = क्षेत्र { $number }
zone-name = नाम
zone-corners = कोने: x y, चित्र के अंशों में
zone-delete = { $name } हटाएँ
zones-toml = विन्यास फ़ाइल के लिए
zones-toml-note = उपकरण अपनी विन्यास फ़ाइल के क्षेत्रों का उपयोग करता है। वहाँ के सारे क्षेत्रों के स्थान पर यह पाठ रखें, फिर चलाएँ: systemctl reload moodring
copy = प्रतिलिपि लें
copied = प्रतिलिपि ले ली गई।
fault-corners = “{ $zone }” के 3 से 32 कोने चाहिए।
fault-outside = “{ $zone }” चित्र से बाहर जाता है।
fault-crossing = “{ $zone }” के किनारे एक-दूसरे को काटते हैं। कोने क्रम से दें।
fault-tiny = “{ $zone }” बहुत छोटा है।
fault-too_many = इतने क्षेत्र नहीं हो सकते।
fault-nothing_left = ये क्षेत्र पूरे चित्र को बाहर कर देते हैं।

setup-title = उपकरण की स्थापना
setup-intro = जब तक आप परिवर्तन देख न लें, कुछ भी लिखा नहीं जाता।
setup-room = कमरा
setup-site = विद्यालय या परिसर
setup-name = कमरे का नाम
setup-purpose = उद्देश्य
setup-purpose-why = उपकरण किस काम के लिए है और किस क़ानून के अधीन। जहाँ चेहरे के भाव पढ़ना प्रतिबंधित है, वहाँ भी यह लोगों को गिन सकता है।
setup-mode = किसका अनुमान हो
setup-mode-mood = कक्षा के भाव, लोगों की संख्या और कितने सामने देख रहे
setup-mode-occupancy = केवल लोगों की संख्या और कितने सामने देख रहे; कोई घोषणा नहीं चाहिए
setup-jurisdiction = देश, दो अक्षरों में, जैसे IN या US-IL
setup-institution = यह स्थान किसलिए है
setup-education = शिक्षा
setup-work = काम
setup-event = आयोजन
setup-research = शोध
setup-home = घर
setup-consent = लोगों को, बच्चों के लिए उनके अभिभावकों को, कैसे बताया गया और वे कैसे सहमत हुए
setup-contact = उपकरण के लिए कौन उत्तरदायी है, और उनसे कैसे संपर्क हो
setup-law = वहाँ का क़ानून क्या चाहता है (द्वितीयक स्रोतों से, क़ानूनी सलाह नहीं):
setup-least = सबसे छोटा समूह जिसके आँकड़े दिखाए जाएँ
setup-least-why = 5 से 100। छोटे समूह में किसी एक का भाव आँकड़ों से आसानी से निकाला जा सकता है।
setup-camera = कैमरा
setup-camera-which = तस्वीरों का स्रोत
setup-camera-mode = तस्वीरों का आकार
setup-camera-as-is = जैसा अभी है
setup-camera-size = { $width } × { $height }, प्रति सेकंड { $rate } तस्वीरों तक ({ $format })
setup-view = कैमरा क्या देखता है
setup-view-room = एक कमरा
setup-view-gallery = वीडियो कॉल: सबके चित्रों की गैलरी
setup-view-why = गैलरी को HDMI ग्रैबर पर दिखाएँ, अपने चित्र के बिना और बिना वीडियो वाले लोगों के बिना। कॉल में सबको यह बताना ज़रूरी है।
setup-camera-none = कोई कैमरा नहीं मिला। कैमरा लगाकर फिर खोजें, या नक़ली कक्षा से शुरू करें।
setup-camera-file = अभी तय की गई फ़ाइल
setup-camera-again = फिर खोजें
setup-simulator = आज़माने के लिए नक़ली कक्षा
setup-broker = डैशबोर्ड
setup-broker-which = उपकरण MQTT से कहाँ प्रकाशित करे
setup-broker-off = कहीं नहीं
setup-broker-embedded = इसी उपकरण का ब्रोकर, केवल इस मशीन के लिए
setup-broker-external = नेटवर्क का कोई ब्रोकर
setup-host = उसका नाम या पता
setup-port = पोर्ट
setup-tls = कूटबद्ध (TLS)
setup-ca = यदि उसे किसी निजी प्राधिकरण ने प्रमाणित किया है, तो प्राधिकरण की फ़ाइल विन्यास फ़ाइल में लिखें: mqtt.tls.ca_file
setup-username = उपयोगकर्ता नाम
setup-password = पासवर्ड
setup-password-why = यह अलग फ़ाइल में रहता है जिसे केवल उपकरण पढ़ सकता है।
setup-password-kept = एक पासवर्ड पहले से रखा है; उसे रखने के लिए इसे खाली छोड़ें। पता, पोर्ट, उपयोगकर्ता नाम या कूटलेखन बदलें तो पासवर्ड फिर लिखें।
setup-try = संपर्क आज़माएँ
setup-trying = जुड़ रहा है…
setup-reached = ब्रोकर इस उपकरण को स्वीकार करता है।
obstacle-nothing_listens = वहाँ कोई प्रोग्राम नहीं सुन रहा। पोर्ट जाँचें, और यह कि ब्रोकर चल रहा है।
obstacle-credentials = ब्रोकर यह उपयोगकर्ता नाम या पासवर्ड स्वीकार नहीं करता।
obstacle-tls = कूटबद्ध संपर्क पर भरोसा नहीं किया जा सकता। प्रमाणपत्र प्राधिकरण और ब्रोकर के प्रमाणपत्र का नाम जाँचें।
obstacle-timeout = समय पर कोई उत्तर नहीं मिला। पता, पोर्ट और नेटवर्क जाँचें।
obstacle-unreachable = ब्रोकर तक पहुँचा नहीं जा सकता। पता जाँचें, और यह भी कि क्या वह TLS चाहता है।
obstacle-forbidden = सेवा को अभी उस पते तक पहुँचने की अनुमति नहीं है: docs/guide/install.md का "A broker" भाग बताता है कि अनुमति कैसे दें।
obstacle-refused = ब्रोकर इस उपकरण को अस्वीकार करता है।
setup-lessons = पाठ
setup-begin = पाठ कैसे शुरू हो
setup-begin-automatic = अपने आप, लोगों के आने-जाने से
setup-begin-timetable = समय-सारणी से
setup-begin-command = केवल आदेश से
setup-timetable = समय-सारणी
setup-days = दिन
setup-time = आरंभ
setup-minutes = मिनट
setup-lesson-name = पाठ का नाम; किसी व्यक्ति का नहीं
setup-add = पाठ जोड़ें
setup-remove = हटाएँ
setup-zone = समय क्षेत्र; खाली: सिस्टम का
day-mon-fri = सोमवार से शुक्रवार
day-mon-sat = सोमवार से शनिवार
day-mon = सोमवार
day-tue = मंगलवार
day-wed = बुधवार
day-thu = गुरुवार
day-fri = शुक्रवार
day-sat = शनिवार
day-sun = रविवार
setup-check = परिवर्तन दिखाएँ
setup-faults = कुछ मान मान्य नहीं हैं; वे ऊपर चिह्नित हैं।
setup-changes = परिवर्तन
setup-same = कोई परिवर्तन नहीं है।
setup-save = सहेजें
setup-saved = सहेजा गया
setup-holds = नई सेटिंग लागू हैं।
setup-begins = उपकरण नई सेटिंग के साथ फिर से शुरू हो रहा है; कुछ सेकंड लगेंगे।
setup-runs = उपकरण नई सेटिंग के साथ चल रहा है।
setup-needs-restart = सहेजा गया। ये कुंजियाँ प्रोग्राम के फिर से शुरू होने पर (systemctl restart moodring) लागू होंगी: { $keys }
setup-open = पन्ना खोलें
setup-link = यह उपकरण नया है। इसे स्थापित करें
setup-nav = स्थापना
refused-changed_meanwhile = इस बीच किसी और ने फ़ाइल बदल दी। परिवर्तन फिर से जाँचें।
refused-not_written = फ़ाइल लिखी नहीं जा सकती।
