# ruff: noqa: E501, SIM905  (phrases and word lists read best unbroken)
"""Tools of offices, shops, travel and homes, and what people say to them: none is about files, text in them or a shell.

A line at the margin is a tool: its names, then its arguments with theirs, `?` where one may be left out, and what kind of
value it takes. Indented lines are requests: `(a|b)` is a choice, `{0}` the first argument. Data only.
"""

from __future__ import annotations

TOOLS = """
send_mail mail email compose_mail: to|recipient|receiver=person, subject|topic|title=words
    (mail|email) {0} about {1}
    (send|compose|fire off) (a mail|an email|a message) to {0} (with the subject|about|titled) {1}
    {0} (should|must|has to) get (a mail|an email) (about|with the subject) {1}
    (i need|i want) an email about {1} to {0}
text_person sms message notify: phone|to|number=phone, body|text|message=sentence
    (text|message|notify) {0}: {1}
    (send|deliver) (a text|an sms|a text message) to {0} saying {1}
    let {0} know {1}
    tell {0} {1}
get_weather weather forecast weather_in: city|place|location|town=city, days|horizon?=count
    (weather|forecast) (in|for) {0}
    (how is|what is|how's) the (weather|forecast) (in|for) {0}?
    (what will the weather be|forecast) in {0} for the next {1} days
    will it (rain|snow|be sunny) in {0}?
    do i need (an umbrella|a coat|sunscreen) in {0}?
book_flight flight reserve_flight fly: origin|departure|leaving=city, destination|arrival|going=city, date|day=date
    (book|reserve|get me) a flight from {0} to {1} on {2}
    (fly me|i want to fly|i have to fly) from {0} to {1} on {2}
    on {2} i (need|want) to (be flown|get by plane) from {0} to {1}
    a (plane ticket|flight) to {1} from {0} for {2}
book_hotel reserve_room hotel stay: city|place|town=city, nights|duration=count, arrival|check_in|date?=date
    (book|reserve) a (hotel|room|hotel room) in {0} for {1} nights
    (book|reserve) {1} nights in {0} from {2}
    i (need|want) (a bed|a place to stay|somewhere to sleep) in {0} for {1} nights
    {1} nights in {0}, arriving {2}
book_table restaurant reserve_table dine: venue|restaurant|place=name, guests|people|seats=count, time|hour|at=time
    (book|reserve|get) a table at {0} for {1} at {2}
    (dinner|lunch|brunch) at {0} at {2} for {1} (people|guests|persons)
    we are {1} and want to eat at {0} at {2}
order_food order takeaway deliver_food: dish|item|meal=product, quantity|amount|count=count
    (order|bring me|have delivered) {1} {0}
    i (am hungry for|want|would like) {1} (portions of|times) {0}
    (order|get) {0}, {1} of (them|it)
create_event schedule add_event calendar_add: title|name|event=words, date|day=date, time|hour|start?=time
    (schedule|plan|put down|arrange) {0} (on|for) {1}
    (schedule|plan|arrange|set) {0} on {1} at {2}
    {0} (is|happens|takes place) on {1} at {2}, put it into my calendar
    block {1} for {0}
cancel_event cancel unschedule call_off: event|title|meeting=words
    (cancel|call off|drop) the (meeting|appointment|event) {0}
    {0} (is off|won't happen|is cancelled), take it off my calendar
    (cancel|call off) {0}
remind set_reminder reminder remind_me: task|what|note=sentence, time|when|at=time
    remind me at {1}: {0}
    (set|add) a reminder for {1} (saying|that says) {0}
    (ping|nudge|wake) me at {1} with {0}
    don't let me forget {0} at {1}
set_timer timer countdown start_timer: minutes|duration|length=count
    (set|start) a timer (for|of) {0} minutes
    (count down|time) {0} minutes
    (tell|alert|ping) me in {0} minutes
set_alarm alarm wake_up: time|at|hour=time
    (wake me|set an alarm|ring me) (at|for) {0}
    i (need|have) to get up at {0}
translate translate_text to_language: text|phrase|source=sentence, language|target|into=language
    (translate|say) {0} (into|in) {1}
    (how do you say|what is) {0} in {1}?
    {0} in {1}, please
    the {1} for {0}
convert_money convert exchange currency: amount|sum|value=amount, source|from_currency|have=currency, target|to_currency|want=currency
    (convert|exchange|change|turn) {0} {1} (to|into) {2}
    (how much is|how many {2} are|what is) {0} {1} in {2}?
    i have {0} {1} and need {2}
transfer_money pay transfer wire: to|payee|recipient=person, amount|sum|value=amount, reference|note|memo?=code
    (pay|send|transfer|wire) {1} euros to {0}
    (pay|transfer|wire) {0} {1} with the reference {2}
    {0} (gets|is owed|should receive) {1} euros from me
    i owe {0} {1}
get_balance balance account_balance: account|id|number=code
    (what is|show|tell me) the balance (of|on) (account|my account) {0}
    how much money is (on|in|left on) {0}?
    (balance|funds) of {0}
stock_price quote share_price ticker: symbol|stock|share=ticker
    (what does|how much does) a share of {0} cost?
    (quote|price) (for|of) {0}
    how (is|does) {0} (doing|trading)?
buy_stock buy_shares purchase trade: symbol|stock|share=ticker, quantity|shares|number=count
    (buy|purchase|get me) {1} shares of {0}
    {1} {0} shares for my (portfolio|account)
    invest in {1} pieces of {0}
add_to_cart cart put_in_cart basket: product|item|article=product, quantity|count|pieces=count
    (add|put) {1} {0} (to|in|into) (my|the) (cart|basket|shopping cart)
    i (will take|'ll take) {1} {0}
    {1} {0} into the basket
track_parcel track parcel where_is: code|parcel|number|tracking=code
    (track|follow|locate) (parcel|package|shipment) {0}
    where is my (parcel|package|shipment) {0}?
    (when does|will) {0} arrive?
refund return_order refund_order: order|code|number=code, reason|cause|why=sentence
    (refund|return|take back) order {0} because {1}
    i want my money back for {0}: {1}
    {0} goes back, the reason is {1}
create_ticket ticket report_problem support: title|subject|problem=sentence, priority|urgency|level=level
    (open|file|create) a {1} ticket: {0}
    (report|raise) {0} with {1} priority
    {0} is a problem of {1} priority
assign assign_ticket hand_over delegate: ticket|issue|id=code, person|assignee|owner=person
    (assign|hand over|give) {0} to {1}
    {1} (takes over|is responsible for|should handle) {0}
    put {1} on {0}
close_ticket resolve finish_ticket: ticket|id|issue=code
    (close|resolve|finish) (ticket|issue) {0}
    {0} is (done|solved|finished)
    mark {0} as (solved|done|resolved)
play_song play music play_music: song|title|track=words, artist|by|singer?=person
    (play|put on) {0}
    (play|put on) {0} by {1}
    i want to (hear|listen to) {0} by {1}
    (music|some music): {0}
set_volume volume loudness: level|percent|value=count
    (set|turn|put) the (volume|sound|loudness) to {0}
    (louder|quieter|softer), {0} percent
    volume {0}
set_lamp light lights switch_light: room|where|area=room, color|colour|shade=color
    (make|turn|set) the (light|lights|lamps) in the {0} {1}
    {1} light in the {0}
    (light up|illuminate) the {0} in {1}
set_temperature heat thermostat heating: room|where|area=room, degrees|temperature|celsius=amount
    (heat|warm|cool) the {0} to {1} (degrees|celsius)
    (set|put) the (thermostat|heating) in the {0} to {1}
    it should be {1} degrees in the {0}
lock_door lock secure: door|room|which=room
    (lock|secure|bolt) the {0} door
    nobody should get into the {0}
    is the {0} door locked? if not, lock it
call_person call phone dial: number|phone|whom=phone
    (phone|dial|ring up) {0}
    (get|connect) me (to|with) {0}
    i (want|need) to (talk|speak) to {0}
route directions navigate way: start|origin|leaving=city, end|destination|goal=city
    (navigate|directions|the way) from {0} to {1}
    how do i get (from {0} to {1}|to {1} from {0})?
    (guide|bring|lead) me from {0} to {1}
call_taxi taxi cab ride: address|pickup|place=address, time|when|at=time
    (call|order|get|book) a (taxi|cab) to {0} (at|for) {1}
    pick me up at {0} at {1}
    i need a ride from {0} at {1}
calculate compute calc math: expression|formula|term=formula
    (calculate|compute|evaluate|work out) {0}
    (what is|how much is) {0}?
    {0} (equals|is) what?
roll_dice dice roll: sides|faces|max=count, count|dice|times=count
    roll {1} dice with {0} sides
    (throw|roll) a {0}-sided die {1} times
define dictionary meaning lookup: word|term|entry=word, language|lang?=language
    (define|explain) (the word|the term) {0}
    what does {0} mean in {1}?
    the meaning of {0}
    look {0} up in a {1} dictionary
shorten_url shorten short_link: url|link|address=url
    (shorten|abbreviate) {0}
    (make|give me) a short link (to|for) {0}
    {0} is too long, shorten it
bookmark save_link add_bookmark: url|link|site=url, tag|label|category=word
    (bookmark|remember) {0} (as|under) {1}
    (tag|label) {0} with {1}
    put the link {0} under {1}
post_message post tweet publish: channel|room|where=handle, text|message|words=sentence
    (post|publish|announce) {1} in {0}
    (tell|inform) everyone in {0}: {1}
    {0} should (know|hear): {1}
invite invite_user add_member: email|address|user=email, role|rights|level=level
    invite {0} (as|with the role) {1}
    (add|sign up) {0} as a {1} member
    {0} may join as {1}
block_user block ban mute: user|handle|account=handle
    (block|ban|mute) {0}
    i don't want to hear from {0} (any more|again)
    (keep|shut) {0} out
log_workout workout exercise log_exercise: activity|sport|kind=sport, minutes|duration|time=count
    (log|note|record) {1} minutes of {0}
    i (did|spent) {1} minutes (of|on) {0}
    {0} for {1} minutes, note it
log_weight weight weigh_in: kilograms|kg|weight=amount
    (log|note|record) my weight: {0}
    i weigh {0} (kilograms|kilos)
    the scale says {0}
take_note note jot memo: text|note|words=sentence
    (note|jot down|remember): {0}
    (take|make) a note that says {0}
    keep in mind that {0}
start_vote vote poll ask_team: question|topic|subject=sentence, days|duration|length=count
    (start|hold) a (vote|poll) on {0} for {1} days
    let the team (vote|decide) on {0}, {1} days
    ask everyone {0} and give them {1} days
rename_project rename relabel: old|current|name=slug, new|replacement|to=slug
    (rename|relabel) the project {0} (to|as) {1}
    the project {0} is called {1} from now on
    {1} is the new name of project {0}
ship ship_order dispatch send_parcel: order|code|item=code, address|to|destination=address
    (ship|dispatch|deliver) {0} to {1}
    {0} (is meant|is bound) for {1}
    send order {0} to {1}
plant_care water irrigate: plant|which|name=word, liters|litres|amount=amount
    (water|irrigate) the {0} with {1} liters
    the {0} needs {1} liters of water
    give {1} liters to the {0}
"""

LEVELS = tuple("low normal high urgent admin guest viewer member owner critical".split())
ROOMS = tuple("kitchen|bedroom|hall|garage|cellar|attic|nursery|study|front|back|balcony|living room".split("|"))
COLORS = tuple("red green blue white yellow orange purple pink amber teal violet turquoise".split())
SPORTS = tuple("running swimming cycling yoga rowing boxing climbing tennis skiing walking judo dancing".split())
LANGUAGES = tuple(
    "French German Spanish Italian Dutch Polish Turkish Greek Latin Danish Finnish Korean Hindi Arabic Welsh".split()
)
CURRENCIES = tuple("euros dollars pounds yen francs rupees pesos EUR USD GBP CHF SEK NOK JPY".split())
CITIES = tuple(
    """Oslo|Paris|Lima|Rome|Cairo|Berlin|Madrid|Lisbon|Vienna|Prague|Dublin|Athens|Tokyo|Kyoto|Delhi|Quito|Bogota|Sydney|
    Perth|Boston|Denver|Austin|Dallas|Geneva|Zurich|Basel|Milan|Turin|Porto|Seville|Gdansk|Riga|Tallinn|Helsinki|Bergen|
    Malmo|Ghent|Bruges|Lyon|Nantes|Leeds|York|Bath|Oxford|Nairobi|Lagos|Accra|Tunis|Havana|New York|Cape Town|San Jose|
    Buenos Aires|Hong Kong|Los Angeles""".replace("\n    ", "").split("|")
)
PEOPLE = tuple(
    """Ana Ben Carla Dimitri Elif Farid Greta Hugo Ines Jonas Kira Leo Mona Nils Olga Pavel Quinn Rosa Sven Tara Uwe Vera
    Wim Xenia Yusuf Zoe Amelie Bruno Chen Dora Emil Fatima""".split()
)
SURNAMES = tuple("Berg Costa Diaz Evans Fischer Garcia Haas Ito Jansen Kaya Lopez Moreau Novak Okafor Patel".split())
NOUNS = tuple(
    """budget garden holiday dentist birthday contract invoice kitchen lecture marathon picnic quarter rehearsal salary
    seminar strategy summer survey theatre training tuesday vaccine wedding winter workshop yoga concert canyon bridge
    harvest island lantern meadow orchid pebble ribbon saddle thunder velvet willow amber breeze copper dragon ember
    falcon glacier hazel ivory jasmine kettle lemon marble nectar olive pepper quartz river silver tulip""".split()
)
PRODUCTS = tuple(
    """pizza|soup|rice|noodles|tea|coffee|apples|bread|green curry|tomato salad|fish tacos|socks|candles|batteries|red
    pens|notebooks|mugs|towels|light bulbs|cat toys|chairs|pillows|phone cases|umbrellas""".replace(
        "\n    ", " "
    ).split("|")
)
SENTENCES = (
    "the {n} is late", "call {p} back", "water the {n}", "{p} will join the {n}", "bring the {n} and the {m}", "no {n} today",
    "the {n} costs {i} euros", "we meet near the {n}", "good morning", "don't forget the {n}", "is the {n} ready?",
    "{p} said: {n}, then {m}", "it's {i} past the {n}", "buy {n}, {m} & {n}", "the {n} (and the {m})", "{n} is broken!",
    "take {i}% off the {n}", "which {n} do we want?", "thank you, {p}", "{n} = {m}", "{p}'s {n} has a \"{m}\"",
)  # fmt: skip

POLITE = (
    "please {}", "{} please", "can you {}?", "could you {}?", "would you {}?", "could you please {}?", "i need you to {}",
    "go ahead and {}", "i'd like you to {}", "{} for me", "{}, thanks", "just {}", "{} now", "let's {}", "help me {}",
)  # fmt: skip
OPENERS = (
    "hey, ",
    "hi, ",
    "ok, ",
    "so, ",
    "hello, ",
    "next: ",
    "also, ",
    "quick one: ",
    "well, ",
    "and now ",
    "right, ",
)
JOINERS = (" and ", ", then ", ", and then ", " and also ", "; ", ". After that, ", ", and ")
RESULTS = ("ok", "done", "success", "accepted", "{i}", "{n}: {i}", "id {c}", "{n}", "true", "no entry for {n}")
REMARKS = ("Done.", "That is done.", "Here you go: {r}", "It worked.", "All set.", "The answer is {r}.")

MISSING = ("Which {a}?", "What is the {a}?", "Please tell me the {a}.", "I need the {a} for that.")
UNABLE = (
    "None of my tools can do that.", "I have no tool for that.", "I can't do that with the tools I have.",
    "That is not something that I can do here.",
)  # fmt: skip
CHAT = (
    ("thanks|thank you|thanks a lot|great, thank you|cheers", "You're welcome.|Glad to help.|Any time."),
    ("hello|hi|hey there|good morning|good evening", "Hello! What can I do for you?|Hi! How can I help?"),
    ("bye|see you|good night|that's all|that's it for today", "Goodbye!|See you.|Bye!"),
    ("how are you|how is it going|are you well", "I'm fine, thank you. How can I help?|All is well here."),
    ("never mind|forget it|stop|don't do anything", "All right.|Fine, I won't do anything."),
    ("tell me a joke|sing something|who are you|what is love", "I can only help with my tools.|I'm here to use tools."),
)

INVENTED = (
    "(use|call|invoke|trigger|activate) {name} with {pairs}", "{name}: {pairs}", "{name} with {pairs}", "{said} {values}",
    "{said} {values}", "{said} {values}", "(make it|do a) {said} with {values}", "i (want|need) {said} for {values}",
    "with {pairs}, {said}", "for {values}, {said}",
)  # fmt: skip
"""Requests to tools that mean nothing: only the name and the arguments tell."""
