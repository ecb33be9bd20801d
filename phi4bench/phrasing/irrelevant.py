# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Makes requests that no tool serves, many of them near misses that name tools and paths. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from phi4bench.phrasing import values, words
from phi4bench.phrasing.decor import upper_first
from phi4bench.phrasing.engine import Family, Pool, Split, casual, compile_frames, say
from phi4bench.phrasing.requests import TOOLS
from phi4bench.phrasing.talk import Example, talk
from phi4bench.tools import Tool

KINDS = {
    "greeting": ("""
        (hi|hello|hey|good morning|good evening|hi there|hey there|hello there|howdy|good afternoon)
        (hi|hello|hey), how are you (today|doing|)?
        (how are you|how's it going|what's up|how do you do|are you there|are you awake)?
        (hi|hello|hey), (are you there|nice to meet you|good to see you|i'm back|it's me again)
    """, ("Hello! What can I do for you?", "Hi! How can I help?", "Hello! I am ready to help.")),
    "thanks": ("""
        (thanks|thank you|cheers|thx|many thanks|thanks a lot|thank you very much|great, thanks|perfect, thank you|awesome, thanks)
        (thanks|thank you), (that's all|that was all|that's it for today|that helped|that worked|exactly what i needed|you can stop now|no further questions)
        (thanks|thank you), (grep|the search|the edit|the command|glob|bash|reading the file) (worked well|worked|did the job|was fine|was quick)
        thanks for (the help|your help|looking into {P}|opening {P}|fixing {P}|running the tests|searching {D})
        i appreciate (the help|your help)
        (well done|good job|nice work|great work|excellent|brilliant|that's perfect|looks good to me|great)
        (bye|goodbye|see you|see you tomorrow|good night|talk to you later|have a nice day)
    """, ("You're welcome!", "Glad to help.", "Any time!")),
    "no-need": ("""
        (i already|i've already|i have already) (opened|read|fixed|edited|changed|deleted|created|updated) {P}, (no need to do anything|so nothing to do|you can leave it|never mind|so don't touch it|all good)
        (don't|do not|please don't) (open|touch|edit|change|run|read|delete|overwrite) {P} (yet|for now|today|, i'm still working on it|)
        never (open|touch|edit|change|run|read|delete|overwrite) {P}
        (never mind|forget it|no need|cancel that|leave it|skip it|stop|not now|wait a moment|hold on), (i found it myself|i'll do it later|{P} is fine|i changed my mind|it works now)
        (i'll|i will|let me) (read|edit|fix|open|check|write) {P} (myself|later|tomorrow|on my own)
        {P} (is fine as it is|looks good to me|is done, thanks|works now|is great)
        (we|i) (deleted|removed|renamed|moved) {P} (yesterday|last week|a while ago|on Monday)
        i (ran|just ran|already ran) {C} (and it worked|, all good|, it passed|myself|yesterday)
        no need to (open|read|run|search|check|edit) (anything|it|{P}|{D}) (anymore|now|today|)
    """, ("All right, I'll leave it.", "Understood, nothing to do then.", "OK, I won't touch it.")),
    "general": ("""
        what is the capital of (France|Italy|Japan|Peru|Norway|Kenya|Canada|Egypt|Spain|India)?
        who (wrote Hamlet|invented the telephone|painted the Mona Lisa|discovered penicillin|won the world cup)?
        when was (Rome|London|Carthage|Oxford university) founded?
        how (far|old|big) is (the moon|the sun)?
        how (high|old|big) is mount Everest?
        how (old|big) is (the ocean|the earth)?
        how hot is the sun?
        what is (photosynthesis|gravity|an atom|inflation|democracy|a sonnet)?
        what are (black holes|vitamins|quarks)?
        (explain|tell me about|describe) (gravity|evolution|the roman empire|black holes|the water cycle|jazz|chess|the french revolution|photosynthesis)
        what is {I} (plus|times|minus|divided by) {J}?
        how many (days are in a year|legs does a spider have|planets are there|minutes are in a day|people live in Paris)?
        translate (hello|good morning|thank you|the word {W}|cheese) (to|into) (French|German|Spanish|Italian|Polish)
        how do you spell {W}?
        what does the word {W} mean?
        (what is|what's) (a|the) {W}?
        tell me (something about|everything about|more about|a bit about) {W} (in general|please|)
        i want to know (something about|everything about|more about|a bit about) {W} (in general|)
        (who invented|when did someone invent) the {W}?
        (how do you|how do i|can you teach me to|how would one) (paint|sell|photograph) a {W}?
        why is (the sky blue|grass green|the sea salty|snow white|blood red|the night dark)?
        (what's|what is) the (meaning|plural|opposite|origin|history) of {W}?
        (give me|i need|suggest) (a name|a slogan|a title|an idea|a synonym) for (my {W}|a {W}|a band|a new shop)
        (recommend|suggest) (a book|a film|a recipe|a song|a holiday) (about {W}|for the weekend|)
        (which|what) (is the largest|is the smallest|is the oldest) (country|city|animal|river) (in the world|in Europe|)?
        is {W} (dangerous|expensive|healthy|old|famous|heavy)?
        (solve|compute|calculate) {I} (+|*|-|/) {J}
        (summarize|explain) the (plot of Hamlet|history of {W}|second world war|theory of relativity|rules of football)
        what rhymes with {W}?
        give me a rhyme for {W}
        convert {I} (feet to metres|ounces to grams|gallons to litres)
        how much is {I} (feet in metres|ounces in grams|gallons in litres)?
    """, ("That is a general question, and no tool is needed for it.", "I can only answer that from memory: it is common knowledge.", "That needs no tool; it's a matter of general knowledge.")),
    "concept": ("""
        what does the command {C} do?
        what does (ls|cat|grep|find|sed|awk|chmod|tar|rm|curl|git rebase|git stash|ssh) do?
        how does (ls|cat|grep|find|sed|awk|chmod|tar|rm|curl|git rebase|git stash|ssh) work?
        what is (a glob|a regex|a regular expression|a shell|a symlink|a pipe|bash|grep|a file system|recursion|a mutex|a closure|a decorator|a linter)?
        explain what (a glob|a regex|a shell|a symlink|a pipe|bash|grep|a mutex|a closure|a decorator|a linter) is
        what does (bash|grep|a glob|a regex|a linter|a decorator|a mutex) do in general?
        how (do i|do you|can i|can you|would i|would you|would we|does one) (read|open|write|edit|copy|delete|create|search) a file in (Python|Go|Rust|Java|JavaScript|C|Ruby|Kotlin|PHP)?
        (what's|what is|explain|tell me) the difference between (grep and glob|glob and regex|a list and a tuple|git merge and git rebase|bash and zsh|read and write access|TCP and UDP|a process and a thread|edit and overwrite|find and grep|let and const|a file and a folder)?
        (explain|describe|tell me) (how grep works|how globs work|how git works|what a regex is|what bash is|how a hash map works|how to exit vim|what a compiler does|what {C} does|how pipes work|how indexing works)
        (why|when) (should i|would i|do people) use (grep|find|glob|sed|bash|vim|git|docker|type hints|a linter|a database|tests)?
        is (Python|Go|Rust|bash|Java|grep|TypeScript|C) (faster|better|older|easier|safer) than (Python|Ruby|awk|C++|zsh|JavaScript|Perl)?
        what does the (flag|option) (-v|-r|-n|-i|-l|--force|-x|-p) (do|mean) (in|for) (grep|ls|rm|docker|git|tar|curl|ssh)?
        why is {P} (called that|named like that)?
        who came up with the name {P}?
        what is a (.py|.md|.toml|.lock|.json|.csv|Makefile|Dockerfile|.gitignore) file (for|used for|good for)?
        in which year was (Python|bash|git|grep|Java|Unix|Linux) (released|invented|created)?
        (what|which) (regex|pattern) would (match|find) (an email address|a date|a number|empty lines), (in general|in theory|just tell me)?
        (what|which) (glob|pattern) would (match|find) (all python files|hidden files), (in general|in theory|just tell me)?
        (what|which) command would (find|list) (all python files|hidden files), (in general|in theory|just tell me)?
        is {C} (dangerous|safe|slow|a good idea|portable)?
        how (do|would) you (name|structure|organise|test) (a file|modules|folders|functions|tests|a project) (in general|usually|)?
        what's the (best|usual|right) way to (learn Python|name files|write tests|read a stack trace|search a big codebase|edit config files|structure a repo)?
        can you explain what (recursion|a pointer|git|grep|a regex|a deadlock|caching|a race condition|dependency injection) (is|means)?
        can you explain how (recursion|a pointer|git|grep|a regex|caching|dependency injection) works?
    """, ("In short: it is a matter of how the tool or language works, and I need no file for that.", "That is a question about a concept, so I'll explain it without using a tool.", "Here is a short explanation; no tool is needed.")),
    "other-tool": ("""
        (what's|what is|how is) the weather (in Paris|in Oslo|today|tomorrow|in Rome|in Lima|here)?
        (what's|what is) the weather like in (Berlin|Lisbon|Cairo)?
        (book|find|get) me a (flight|train|taxi|ticket) to (Paris|Oslo|Rome|Tokyo|Madrid|Boston)
        (book|find|get) me a (hotel|table|taxi) in (Paris|Oslo|Rome|Tokyo|Madrid|Boston)
        (send|write) an (email|e-mail|SMS) to (my boss|Anna|the team|my landlord|bob@example.com|mum) (about the release|saying i'm late|with the invoice|right now|)
        (play|put on) (some music|a song|jazz|the radio|my playlist|something by Queen)
        set (an alarm|a reminder) for (7 am|tomorrow|noon)
        (set|start) a timer for (ten minutes|{I} minutes)
        (turn|switch) (on|off) the (lights|heating|tv|oven|fan)
        (call|phone|text|message) (my mum|the office|Anna|Bob|a taxi)
        (order|buy) (a pizza|me a coffee|milk|new shoes|a book|flowers)
        what's (the stock price of Apple|the exchange rate of the euro|the score of the game|on tv tonight|in the news)?
        schedule (a meeting|the call|lunch) (with Anna|for Monday|with the team|at noon)
        cancel (my appointment|the call|lunch) (with Anna|with the team|at noon)
        (draw|paint|generate) (a picture|an image|a logo) of (a cat|the sea|a house|{W}|a dragon)
        (post|share) (this|something|{W}) on (twitter|mastodon|facebook|linkedin)
        (navigate|drive|take me) (home|to the airport|to work|to Rome)
        translate this (song|book|film) for me
        (search|look up) {W} (on the web|on the internet|online|on wikipedia|for me on google)
        search the (web|internet) for {W}
        (open|close|clean) the (window|door|garage|fridge|curtains)
        (read|tell) me (a bedtime story|the news|my horoscope|a fairy tale|the lyrics of a song)
        (find|get|show) me a (restaurant|doctor|hotel|babysitter|parking spot|dentist) (nearby|in Berlin|in town|for tonight|)
        (find|get) me a (flat|job) (nearby|in Berlin|in town|)
        (show|send) me a (picture|photo|video) of (a cat|{W}|the alps|a sunset|Paris)
        (show|send) me a map of (the alps|Paris)
        draw me a picture of (a cat|{W}|the alps|a sunset|Paris)
        draw me a map of (the alps|Paris)
        (edit|crop|retouch|print) (my photo|this picture|the video|my selfie|my passport photo)
        (write|send) (a postcard|a letter|a message) to (my grandmother|my teacher|Bob|the bank|the mayor)
        run (a marathon|a workout) for me
        (book|plan) (a party|a trip|my wedding|a workout|my holiday) for me
        (replace|change|fix) (my phone battery|the light bulb|my tyres|the tap|my bike)
        (delete|close) my (facebook|bank|twitter|netflix) account
        (list|name|tell me) (three|five|some|ten) (facts about {W}|animals|countries in Africa|good movies|famous painters|uses of {W}|reasons to travel)
        (what's|what is) on my (calendar|shopping list|schedule) (today|tomorrow|this week)?
        (check|read) my (email|mail|voicemail|messages|bank balance|calendar)
        (pay|cancel) my (rent|phone bill|subscription|electricity bill)
        (turn up|turn down|mute|pause) (the volume|the music|the sound|the video)
    """, ("I have no tool for that; I can only work with files and the shell.", "That is beyond my tools, sorry.", "I'm afraid I can't do that with the tools I have.")),
    "chat": ("""
        (tell me|do you know) (a joke|a story|a riddle|a fun fact|something funny|a poem)
        (what's|what is) your (name|favourite colour|favourite editor|opinion on tabs|age|favourite language|job|hobby)?
        are you (a robot|human|a person)?
        do you (sleep|dream|like music|get tired|like {W})?
        (do you|don't you) (think|agree) (python is fun|tests matter|vim is better|meetings are boring|code reviews help|{P} is a good name|comments are useful)?
        i (love|hate|like|am tired of|enjoy) (mondays|coffee|debugging|this project|rainy days|meetings|python|yaml|regexes|legacy code)
        (what|which) (tools|functions|commands) (do you have|can you use|are available to you)?
        what can you do (for me|)?
        who (made|built|trained|are) you?
        i'm (tired|bored|hungry|happy|going home|on holiday tomorrow|late for lunch|new here|back)
        (write|compose) me a (poem|song|haiku|limerick|story) about ({W}|autumn|the sea|a cat|debugging)
        tell me a (poem|haiku|limerick|story) about ({W}|autumn|the sea|a cat|debugging)
        sing me a song about ({W}|autumn|the sea|a cat|debugging)
        (what do you think|how do you feel) about (tabs|{W}|rust|ai|remote work|monorepos|{P} as a file name|code reviews)?
        guess (what i had for lunch|who called me)
        did you know that (it's friday|cats sleep all day)?
        (should i|would you) (have tea or coffee|go for a walk|learn Rust|take a break|use tabs or spaces|rename {P}, what do you think)?
        my (cat|dog|boss|sister|neighbour) (is called {W}|likes {W}|is asleep|came to visit|broke the build)
        the (meeting|lunch|party|release) (was great|is at noon|was cancelled|went well|is next week)
        (yes|no|ok|sure|maybe|exactly|i see|got it|makes sense|right|fair enough|understood)
    """, ("I'm an assistant for files and the shell; glad to chat a little.", "Ha, good one. Tell me when there is something to do.", "I see. Let me know if I can help with your files.")),
}  # fmt: skip

_ENDS = ("", "", "", ".", "!")


def _families() -> list[Family]:
    families: list[Family] = []
    for kind, (frames, _) in KINDS.items():
        made = compile_frames(f"irrelevant/{kind}", kind, "remark", frames)
        total = sum(family.weight for family in made)
        share = {"concept": 1.8, "general": 1.2, "other-tool": 1.2, "no-need": 1.4, "chat": 1.2}.get(kind, 0.7)
        families += [replace(f, weight=f.weight / total * share) for f in made]
    return families


def _word(rng: random.Random) -> str:
    return values.pick(rng, words.STEMS)


# A shell that calculates would be as right as a head that does, and what `npm test` does the project says.
_LOOKED_UP = (("general", "{i}"), ("concept", "{c}"))
POOL = Pool(_families(), lambda family: any(family.recipe == kind and at in family.words for kind, at in _LOOKED_UP))
_MAKERS: Mapping[str, Callable[[random.Random], str]] = {
    "P": values.path, "D": values.folder, "C": values.command, "W": _word, "I": values.number, "J": values.number,
}  # fmt: skip
_ADDRESS = (
    "hey, ",
    "hi, ",
    "hello, ",
    "ok, ",
    "so ",
    "by the way, ",
    "quick question: ",
    "just curious: ",
    "um, ",
    "tell me, ",
    "one thing: ",
)
_BEFORE_QUESTIONS = ("quick question: ", "just curious: ", "tell me, ")


def example(rng: random.Random, split: Split, tools: Sequence[Tool]) -> Example:
    family = POOL.draw(rng, split)
    made = talk(rng, split)
    if rng.random() < (0.6 if family.recipe == "thanks" else 0.18):
        made.exchange(rng.choice(TOOLS))
    draw = made.draw
    texts = {piece.slot: draw.fit(_MAKERS[piece.slot]) for piece in family.pieces if piece.slot}
    hasty = rng.random() < 0.3
    core, open_end = say(rng, family.pieces, texts, hasty)
    core = core.strip()
    opener = values.pick(rng, _ADDRESS) if rng.random() < 0.2 and family.recipe not in ("greeting", "thanks") else ""
    text = core if opener in _BEFORE_QUESTIONS and not core.endswith("?") else opener + core
    if not hasty and (text != core or family.pieces[0].text) and rng.random() < 0.9:
        text = upper_first(text)
    if text.endswith("?"):
        text = text[:-1] if hasty and rng.random() < 0.5 else text
    elif not open_end and not hasty:
        text += values.pick(rng, _ENDS)
    made.user(casual(text) if hasty and not texts else text)
    return made.end("irrelevant", family.name, tools, reply=values.pick(rng, KINDS[family.recipe][1]))
