# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say to each of the six tools: frames by recipe. Data only; `engine` compiles them.

Orders begin with a verb, so that politeness can go before it. A frame marked with `!` is one that other tools could be
meant by at first sight: selection cases are drawn from these.
"""

from __future__ import annotations

READ_ORDERS = """
    (open|show|display|print|view|read|load|inspect|fetch|get|see|check|output|examine|review|retrieve) {P}
    !(show|display|print|dump|view|read|get|fetch|give me|show me|let me see|pull up|bring up|output|see|return|retrieve|list) (the contents of|the content of|what's in|everything in|all of|the text of|the source of|the code in|the whole of|the full text of|what is inside) {P}
    (open|show|show me|display|print|view|read|load|check|inspect|pull up|bring up|look at|get|fetch|examine|see|review|go through) (the file|my|our|the config|the script|the module|this file:|the document) {P}
    (cat|open up|pull up|bring up|take a look at|have a look at|look at|peek at|look into|look inside|look through|go over|go through|give me|show me|let me see|let me read|print out|read through|read out|take a peek at|have a peek in|peek into|study|skim|dump|spit out|put up|call up|get me|hand me|fetch me) {P}
    !(show me|tell me|see|check|look at|find out|let me know|let me see) (what's in|what is in|what's inside|what is written in|what's written in) {P}
    (show me|tell me|see|check|let me know|find out) what (the file |){P} (says|contains|looks like|has in it|holds)
    (open|show me|display|read|print|view|pull up|look at) the (file|script|config|document|source file|config file|text file) (called|named|at) {P}
    !(open|show me|display|read|print|view|look at|check) the {P} file
    (print|dump|show|read|display) (out |)(the entire|the complete|the whole|the full) (file|contents of) {P}
    (read|open|go through|look through|check) {P} (from top to bottom|and tell me what it says|and show it to me|and show me what's there|in full|completely|once more|again)
    (have|take) a (quick|closer|good|careful|fresh) look (at|inside|into) {P}
    (bring|pull) {P} up (on screen|for me|here|)
    (load|get|fetch|put|throw|print) {P} (into view|onto the screen|up on the screen|on screen)
    walk me through {P}
    (open|show|read|print|display): {P}
    read the file at (path |the path |){P}
    cat (the file |out |){P}
"""
READ_QUESTIONS = """
    what's (in|inside) {P}?
    what is (in|inside) {P}?
    what's (in|inside) (the file|my|our|the script) {P}?
    what does (the file |my |){P} (say|contain|look like|hold|have in it|currently contain)?
    !what (lines|text|code|settings) does {P} (contain|have)?
    what's (the content|the source|the text|the code) of {P}?
    what (are|were) the contents of {P}?
    what's written in (the file |){P}?
    !what do we have in {P}?
    how does {P} (look|look right now|look at the moment|begin and end)?
    what's (currently|right now) in {P}?
    (may|can|could) i (see|read|look at|have a look at|view) (the contents of |the file |){P}?
    (can|could) you show me (what's in |what {P} has, all of |the whole ){P}?
    !what have we got in {P} (so far|at the moment|right now)?
    do you mind showing me {P}?
    (mind|how about) (opening|reading|showing me) {P}?
    what did (i|we|they) put (in|into) {P}?
"""
READ_REMARKS = """
    {P} (please|pls|, show me|, please open it|- contents?|- show it|- what does it say?|, what's in there?|- let me see it|, open it|, read it|, print it)
    i (need|want|have|would like) to (see|read|look at|check|view|inspect|go over|review|study) (the file |the contents of |what's in |){P}
    i'd like to (see|read|look at|check|view|inspect) (the file |the contents of |what's in |){P}
    i (need|want) {P} (open|on screen|in front of me|displayed|printed)
    i need the (contents|content|text|source) of {P}
    i'm (curious|wondering) what's in {P}
    i (wonder|forgot|can't remember|don't know|have no idea) what's (in|inside) {P}
    i (wonder|forgot|can't remember|don't know) what {P} (says|contains|looks like)
    !{P} (looks broken|looks odd|seems wrong|is acting up|has a bug|might be outdated), (show it to me|let me see it|open it|read it)
    !something (is|looks|seems) (wrong|off|odd) (in|with) {P}, (open it|show me the file|let me see it|let's read it)
    there's a file (called|named) {P}, (open it|show it to me|read it|let me see it|what does it say)
    (contents|content|text|source) of {P} (please|pls|)
    (let's|let us) (see|look at|read|open|check|go over) (the file |what's in |){P}
    the file {P} (is what i want to see|needs a look|should be read first|is next, open it)
    {P}: (read it|open it|show me the contents|what's inside?|print everything)
    !i'm looking for the text of {P}
"""

WRITE_ORDERS = """
    (create|make|write|add|start|generate|set up|produce|put together) (a file|a new file|the file|a fresh file) {P} (with|containing|that says|holding|that contains|with the content|with this content:|with the text|whose content is) {X}
    (create|make|write|generate|add) (a file|a new file|the file) (called|named) {P} (with|containing|that says|that contains|with the content|with the text|and put in it) {X}
    (create|make|write|generate|add) {P} (with|containing|with the content|with the text|with the following content:|with this inside:) {X}
    !(write|save|put|store|dump|place|drop|stick|print|output) {X} (to|in|into|inside) (the file |a file called |a new file |a file named |){P}
    !(save|store|write|put) (this|the following|the text below|this text|this line|the content) (to|in|into|as) {P}: {X}
    (write|save) {P} with (the content|the text|this content:|the following content:) {X}
    !(overwrite|replace) (the contents of|everything in|all of|the whole of|the entire file) {P} (with|by) {X}
    overwrite {P} (with|so it says|so that it contains) {X}
    !(fill|populate|initialize|seed) {P} with {X}
    !set the (contents|content|text|whole text) of {P} to {X}
    make {P} (say|contain|hold|consist of|a file with the content|read just) {X}
    !make sure (a file |){P} (exists with the content|contains exactly|says only|exists and contains) {X}
    (create|make|write): {P}, (content|contents|with the text|containing): {X}
    in {P}, (write|save|put|store) {X}
    !(into|to) {P} (write|save|put) {X}
    write a (file|new file|text file|small file|script|config) (at|to|called) {P} (with|containing|that says) {X}
    save a (file|new file|text file) (at|as|called) {P} (with|containing|that says) {X}
    !write {X} and save it (as|to|under|in) {P}
    !(save|store|write) {X} (as|under the name|under) {P}
    (write|create|make) {P}: {X}
    !put a file (at|called|named) {P} (with|containing|that says) {X} (there|in place|in the project)
    (start|begin) {P} (off |)with (just |only |the line |){X}
    (create|write|generate|add) a (file|new file) at {P} whose (only content|entire text|body|single line) is {X}
"""
WRITE_QUESTIONS = """
    can i (get|have) a (file|new file) (called|named) {P} (with|that says|containing) {X}?
    (may|could) i ask for {P} with {X} in it?
    !would you save {X} (to|in|as) {P}?
    how about a new file {P} (with|that says|containing) {X}?
    (mind|how about) (writing|saving|putting|storing) {X} (to|into|in) {P}?
    (mind|how about) creating {P} with {X}?
"""
WRITE_REMARKS = """
    i (need|want|would like) (a file|a new file) (called|named|at) {P} (with|that says|containing|with the content|that contains) {X}
    i'd like (a file|a new file) (called|named|at) {P} (with|that says|containing) {X}
    i (need|want) {X} (saved|written|stored|put|dumped) (to|in|into|in the file) {P}
    !i want {P} to (contain|say|hold|consist of|be) {X}
    !{P} (should|must|needs to|has to|ought to) (contain|say|consist of|hold|read) (just |exactly |){X}
    !{X} (goes|should go|belongs|has to go|needs to go) (in|into|to) {P}
    new file {P}: {X}
    new file (called|named) {P}, (content|contents|text|body): {X}
    {P} (doesn't exist|is missing|is gone|isn't there yet), (create it with|write it with|make one with|so create it and put in) {X}
    we (need|want|are missing) a (file|new file) {P} (with|containing|that says) {X}
    there should be a file {P} (with|containing|that says) {X}
    !the (content|contents|text|whole text) of {P} should be {X}
    (for|as) {P}, the content is {X}, (write it|save it|create the file)
    let {P} (contain|say|hold|read) {X}
    file: {P}, (content|text): {X}
    here's what goes into {P}: {X}
"""
WRITE_EMPTY = """
    (create|make|add|write|start|set up|generate) an empty file (called |named |at |){P}
    (create|make|add|write|start) a (blank|new empty|completely empty|new blank) file (called |named |at |){P}
    (create|make|write) {P} (as an empty file|with nothing in it|without any content|empty|and leave it empty)
    (create|make|add) an empty {P}
    !(clear out|blank out|wipe|empty) (the file |the contents of |){P}
    !overwrite {P} with (nothing|an empty file|an empty string)
    !make {P} (empty|blank|an empty file)
    !(delete|remove|clear|erase) (all the contents of|everything in|all text in|the whole content of) {P}
"""
WRITE_EMPTY_REMARKS = """
    i (need|want) an empty (file|new file) (called|named|at) {P}
    i'd like an empty {P}
    {P} should (be empty|be an empty file|have nothing in it|exist but be empty)
    new empty file {P}
    we need a blank (file|new file) at {P}
"""

EDIT_ORDERS = """
    !(replace|substitute) {A} (with|by) {B} (in|inside|in the file|within) {P}
    !replace {A} (with|by) {B} (everywhere in|in my|in our|over in|in the source of|in the code of) {P}
    (change|turn|convert|switch|alter|modify|update|adjust|correct|fix|rename|amend|rewrite|edit) {A} (to|into) {B} (in|inside|in the file|within|in my) {P}
    in (the file |my |our |){P}, (change|turn|rename|update|switch|correct|rewrite|edit|modify|set) {A} (to|into) {B}
    in {P} (change|rename|update|switch) {A} to {B}
    in (the file |my |our |){P}, (replace|substitute|overwrite|exchange) {A} (with|by) {B}
    in {P} replace {A} with {B}
    (swap|exchange|switch|trade|switch out|swap out) {A} for {B} (in|inside|in the file|within) {P}
    in {P}, (swap|exchange|trade|switch|swap out) {A} for {B}
    (swap|switch) out {A} (with|and put in) {B} (in|inside) {P}
    !(edit|update|modify|change|fix|patch|adjust|correct) (the file |my |){P} (so that {A} becomes|so {A} becomes|to turn {A} into|and change {A} to|and replace {A} with|by changing {A} to|by replacing {A} with|and make {A}) {B}
    (edit|update|modify|change|fix|patch) {P}: {A} (->|=>|becomes|should be|to|is now) {B}
    use {B} (instead of|rather than|in place of) {A} (in|inside|in the file|within) {P}
    in {P}, use {B} (instead of|rather than|in place of) {A}
    !(put|write|place|insert|say) {B} (instead of|in place of|where it says|where there is|rather than) {A} (in|inside|in the file) {P}
    (make|let) {A} (say |read |be |become ||){B} (in|inside|in the file) {P}
    in {P}, (make|let) {A} (say|read|be|become) {B}
    !(find|look for|locate) {A} in {P} and (replace it with|change it to|turn it into|make it|rewrite it as) {B}
    !(search|go through|open|read) {P} (for {A} and replace it with|, find {A} and change it to|and turn {A} into|and change {A} into) {B}
    (fix|correct) the (typo|mistake|spelling|error) {A} in {P}, it should (be|say|read) {B}
    (fix|correct) the (typo|mistake|error) in {P}: {A} should (be|say|read) {B}
    (change|update|bump|set|move) the (value|text|string|part|bit|line|name|word) {A} (to|into) {B} in {P}
    !(change|rename|update) the (line|text|string|name|word|expression) {A} in {P} to {B}
    !replace the (line|text|string|name|word|expression) {A} in {P} (with|by) {B}
    (replace|change): {A} (with|to) {B}, (file|in|path): {P}
    for {P}: (swap|change|replace|rename) {A} (for|to|with) {B}
    (bump|raise|lower|move|take) {A} to {B} in {P}
    in {P}, where it says {A}, (put|write|make it say|have) {B}
    have {P} say {B} (instead of|where it now says|rather than) {A}
    get {P} to (say|use|have) {B} (instead of|rather than) {A}
    rename {A} {B} in {P}
    change the {A} in {P} to {B}
    (rename|change) {A} in {P} to {B}
    replace {A} in (the file |){P} (with|by) {B}
"""
EDIT_QUESTIONS = """
    can {A} (become|be changed to|be replaced with|be renamed to|be turned into) {B} in {P}?
    could {A} in {P} (become|be changed to|be replaced with|be renamed to|say) {B}?
    (mind|how about) (changing|renaming|turning) {A} (to|into) {B} in {P}?
    (mind|how about) (replacing|swapping) {A} with {B} in {P}?
    !shouldn't {A} in {P} be {B}? (fix it|change it please|please correct that|go fix that)
    why does {P} say {A}? (make it|change it to|it should be) {B}
"""
EDIT_REMARKS = """
    {A} should (be|become|say|read|really be|have been) {B} in {P}
    {A} (needs to|has to|must|ought to) (be|become|say) {B} in {P}
    the {A} (in|inside) {P} should (be|become|say|read) {B}
    in {P}, {A} (should|must|needs to|has to|ought to) (be|become|say|read) {B}
    in {P}: {A} (->|=>) {B}
    {P}: {A} (->|=>) {B}
    {P}: (replace|change|rename|swap) {A} (with|to|by) {B}
    {A} (->|=>) {B} in {P}
    !{P} (has|says|contains|uses|still has|still says|still uses|wrongly says) {A}, (make it|change it to|it should be|replace it with|turn that into|i want) {B}
    !there's (a|an old|a wrong|a stale) {A} in {P}, (make it|change it to|it should be|replace it with) {B}
    i (want|need|would like) {A} (changed to|replaced with|replaced by|renamed to|turned into|to become|to be) {B} in {P}
    i'd like {A} (changed to|replaced with|renamed to|to be) {B} in {P}
    i (want|need) to (change|rename|update|turn) {A} (to|into) {B} in {P}
    i (want|need) to replace {A} with {B} in {P}
    i (mistyped|misspelled) {A} in {P}, it should (be|say) {B}
    i got {A} wrong in {P}, it should (be|say) {B}
    we (renamed|changed|moved) {A} to {B}, (update|fix|adapt|adjust) {P} (accordingly|too|to match|please)
    {P} should (say|use|have|read) {B} (instead of|rather than|not|where it says) {A}
    {P} needs {B} (instead of|in place of|where it has) {A}
    it's (not|no longer) {A} but {B}, (fix|correct|update|change) {P}
"""
EDIT_DELETION_ORDERS = """
    !(remove|delete|drop|strip|cut|erase|take out|get rid of|kick out|take|scrap) {A} from {P}
    !(remove|delete|erase|drop|get rid of|take out) (the line|the text|the string|the word|the part|the bit) {A} (from|in) {P}
    in {P}, (remove|delete|drop|erase|get rid of|take out|cut|strip out) {A}
    replace {A} with (nothing|an empty string) in {P}
    in {P}, replace {A} (with|by) nothing
    (edit|update|change|modify|clean up|fix) {P} (by removing|and remove|and delete|and drop|so it no longer contains|to get rid of) {A}
    remove {A} (in|inside|out of) {P}
"""
EDIT_DELETION_REMARKS = """
    {A} (should|must|has to|needs to|can) (go|be removed|be deleted|disappear) from {P}
    {P} (shouldn't|must not|should no longer) (contain|have|say|mention) {A}, (remove it|delete it|take it out)
    i (want|need) {A} (gone|removed|deleted|dropped) from {P}
    i don't need {A} in {P} anymore, (remove it|delete it|drop it)
    !{P} still has {A}, (remove it|delete that|get rid of it|drop it)
"""

BASH_ORDERS = """
    (run|execute|invoke|call|launch|start|try|do|issue|fire off|kick off|perform|type) {C}
    !(run|execute|invoke|launch|start|try|issue|fire off|kick off|use|enter) (the command|this command:|the following command:|the shell command|this:|the following:|the bash command|this in the shell:|this in the terminal:|the one-liner) {C}
    !(run|execute|launch|start|try|type|do|enter|put|perform) {C} (in the terminal|in the shell|in bash|on the command line|in a shell|from the project root|in a terminal|here|again|once|one more time)
    (use|open) (the shell|bash|the terminal|a terminal|the command line) (to run|and run|to execute|and execute|and type) {C}
    in (the terminal|the shell|bash|a terminal|a shell), (run|execute|type|do|try) {C}
    !(show me|give me|print|get|tell me|get me|fetch|collect|let me see|display) (the output of|what you get from|the result of running|what comes out of|the output of running|the result of) {C}
    !(see|check|find out|tell me|let me know|show me) what {C} (prints|outputs|says|returns|gives|reports|shows)
    !(see|check|find out|look) (whether|if) {C} (works|passes|succeeds|runs|fails)
    (run|execute|type): {C}
    shell: {C}
    (run|execute) {C} and (show me the output|tell me what it says|report back|paste the result|tell me if it works)
    give {C} a (try|go|shot|spin)
    run a quick {C}
    (let|have) the shell (run|execute|do) {C}
"""
BASH_QUESTIONS = """
    what (does|would) {C} (print|output|give|return|say|report) (right now|here|on this machine|in this repo|if you run it)?
    !what's the (output|result) of {C} (here|right now|now|in this folder)?
    what do you get (from|when you run|if you run|for) {C}?
    what happens when you run {C}?
    (mind|how about) (running|executing|trying|launching) {C}?
    does {C} (work|pass|succeed|run|still work) (here|now|at the moment|on this machine)?
    can i (see|get|have) the (output|result) of {C}?
    !can the shell do {C}?
"""
BASH_REMARKS = """
    i (need|want|would like) (the output of|the result of|to see the output of|to run|to execute|to see what comes out of) {C}
    i'd like (the output of|to run|to see the output of|you to execute) {C}
    (let's|let us) (run|try|execute|do|see the output of|start with) {C}
    !command: {C}
    (bash|terminal|shell|cmd): {C}
    the command (is|to run is|i need is|you should run is) {C}
    (next|first|now|then) (comes|do|run|try) {C}
    !{C} (in the terminal please|in the shell please|, run it|, run that|, execute that|please run that|is what i'd like you to run|is the command to run)
    i want to know what {C} (prints|says|outputs|reports|returns)
    i'm curious what {C} (prints|says|outputs|reports|returns)
    somebody should run {C}
    $ {C}
    run {C}
"""

BASH_BARE = """
    {C}
    {C} (please|now)
    ok {C}
    now {C}
"""

GREP_ORDERS = """
    !(search|scan|comb|go through|look through|check|examine|inspect|search through|comb through|sift through|query) {Z} for {Q}
    !(look|search|hunt|check|scan|dig|grep|watch out) for {Q} (in|inside|under|within|across|throughout) {Z}
    !(find|locate|grep|spot|track down|look up|list|show|show me|get|give me|dig up|discover) {Q} (in|inside|under|within|across|throughout) {Z}
    !(find|list|show|show me|get|give me|locate|collect|display|print|look up|report) (every|any|each) (occurrence of|mention of|use of|reference to|line with|line containing|line matching|place with|match for|hit for|instance of) {Q} (in|inside|under|within) {Z}
    !(find|list|show|show me|get|give me|locate|print|look up|look for|search for) (all the|the|all) (occurrences of|mentions of|uses of|references to|lines with|lines containing|lines that match|lines that contain|places that use|matches for|hits for|calls to|usages of|instances of) {Q} (in|inside|under|within) {Z}
    grep (for |){Q} (in|inside|under|through|across) {Z}
    grep {Z} for {Q}
    !in {Z}, (look for|search for|find|grep for|locate|find all|hunt for|check for|find every|list every) {Q}
    (find|see|check|tell me|show me|figure out|find out|let me know) where {Q} (is used|occurs|appears|is mentioned|shows up|comes up|is referenced|is called|turns up|is) in {Z}
    !(find|see|check|tell me|show me|list|figure out|find out) which (files|lines|places|modules|parts) (in|under|of|inside) {Z} (contain|mention|use|match|have|reference|include|call) {Q}
    !(find|list|show me|get|give me|locate) (the files|all files|every file|files|any file) (in|under|inside) {Z} (containing|mentioning|with the text|using|with) {Q}
    !(find|list|show me|get) (the files|all files|files) (in|under|inside) {Z} that (contain|mention|use|have|include) {Q}
    !(check|see|tell me|find out|let me know|verify|figure out) (whether|if) {Z} (contains|mentions|uses|has|references|includes|still contains|still uses) {Q}
    !(check|see|tell me|find out|let me know) (whether|if) {Q} (is used|appears|occurs|is mentioned|shows up|exists|is anywhere|comes up) in {Z}
    (do|run) a (search|text search|full-text search|grep|quick search) (for|on) {Q} (in|under|over|across) {Z}
    (do|run) a (search|text search|grep|quick search) (in|through|over|of) {Z} for {Q}
    search {Q} (in|under|within|inside) {Z}
    search for (the text|the string|the word|the pattern|the regex|the expression|the name|the phrase|the symbol) {Q} (in|under|inside|within) {Z}
    !(look for|find|grep for|grep) (the text|the string|the word|the pattern|the regex|the name|the symbol|anything matching|something like|lines matching) {Q} (in|under|inside) {Z}
    grep: {Q} in {Z}
    match {Q} against (the files in|everything in|the text of|the lines of) {Z}
    use {Q} as a (pattern|regex|search term) (on|in|over) {Z}
"""
GREP_QUESTIONS = """
    where (in|inside|under) {Z} (is|do we use|do we have|do you see|does it say|do we mention|can i find|do we call) {Q}?
    where (is|are) {Q} (used|mentioned|referenced|called|imported|found|set|handled) in {Z}?
    where does {Q} (occur|appear|come up|show up|turn up|get used) in {Z}?
    !does {Z} (mention|contain|use|have|reference|include|say|call|import) {Q} (anywhere|at all|somewhere|)?
    does {Q} (occur|appear|show up|exist|come up) (anywhere |)in {Z}?
    is {Q} (used|mentioned|referenced|called|present|anywhere|found) in {Z}?
    is there (a|any|some|still a) {Q} in {Z}?
    is there (any mention|any use|any sign|an occurrence|still a mention) of {Q} in {Z}?
    are there (any |still |)(uses|mentions|occurrences|references|traces|matches) of {Q} in {Z}?
    !(what|which) (files|lines|places|modules|parts) (in|of|under) {Z} (contain|mention|use|match|reference|have|call) {Q}?
    !who (uses|calls|mentions|references) {Q} in {Z}?
    any (mention|use|sign|trace|occurrence|match|hit|reference|instance) of {Q} in {Z}?
    !(do|did) we (use|mention|call|have|reference|import) {Q} (in|anywhere in|somewhere in) {Z}?
    !what in {Z} (mentions|contains|uses|matches|refers to) {Q}?
    (mind|how about) (searching|scanning|checking) {Z} for {Q}?
    (mind|how about) (looking for|searching for|grepping) {Q} in {Z}?
    !can you (spot|see|find) {Q} (anywhere |somewhere |)in {Z}?
"""
GREP_REMARKS = """
    i (want|need|would like) (every|each|all|any) {Q} in {Z}
    i (want|need|would like) to (see|know|find out|find|check) (where {Q} is used|every use of {Q}|all mentions of {Q}|where {Q} appears|every line with {Q}|which lines have {Q}) in {Z}
    !i'm (looking|searching|hunting) for {Q} in {Z}
    i'd like to (see|find|know) (where {Q} is|all uses of {Q}|every {Q}|each line that has {Q}) in {Z}
    !i (need|want) to (find|locate|look up|track down|search for) {Q} in {Z}
    {Z}: (find|search for|grep|look for|where is) {Q}
    !{Q} (must be|should be|is|has to be|might be) (somewhere|hidden|used) in {Z}, (find it|search for it|where is it|look for it|show me the lines)
    i (can't|cannot|couldn't) find {Q} in {Z}, (search for it|look for it|where is it)
    i (wonder|forgot|can't remember|don't know) where {Q} (is used|is|appears|occurs) in {Z}
    i (wonder|don't know|am not sure) (if|whether) {Z} (mentions|contains|uses|has) {Q}, (check|search it|take a look|have a search)
    (let's|let us) (search|scan|grep|check) {Z} for {Q}
    (let's|let us) (find|look for|see|locate) {Q} in {Z}
    (lines|places|files|spots) (with|containing|that mention|matching) {Q} in {Z}
    (occurrences|mentions|uses|references) (of|to) {Q} in {Z}
    someone (left|put|wrote|used) {Q} (somewhere |)in {Z}, (find it|where is it|find out where)
"""
GREP_TERSE = """
    grep {Q} {Z}
    (search|grep|find|look for): {Q}, (path|in|folder|where): {Z}
    grep -r {Q} in {Z}
"""
GREP_EVERYWHERE = """
    (search|scan|go through|look through|comb through|check|search through) (the project|the code|the codebase|the repo|the repository|everything|the whole project|all files|the source|the current directory|this folder|this project|the entire codebase) for {Q}
    !(find|locate|look for|search for|grep for|grep|hunt for|look up|show me|list|track down) {Q} (in the project|in the code|in the codebase|in the repo|everywhere|anywhere|in all files|across the project|throughout the code|here|in the current directory|in this folder|in the whole repo|across all files)
    !(find|list|show me|show|give me|get|look for|locate) (every|any|each) (occurrence of|mention of|use of|reference to|line with|line containing|place that uses|match for|call to|usage of) {Q}
    !(find|list|show me|get|give me) (all the|the|all) (occurrences of|mentions of|uses of|references to|lines with|lines containing|places that use|usages of|callers of) {Q}
    !(find|list|show me|get|give me|locate) (all files|every file|the files|files|any files) (containing|mentioning|using|with the text|with the string|with the word) {Q}
    !(find|list|show me|get|give me|locate) (all files|the files|files|all the files) that (contain|mention|use|reference|import|have|include) {Q}
    (find|see|check|tell me|show me|find out|figure out) where {Q} (is used|occurs|appears|is mentioned|shows up|is referenced|is called|comes up|is imported)
    !(find|see|check|tell me|list|show me) which (files|modules|places) (contain|mention|use|match|reference|import|call) {Q}
    (check|see|tell me|find out) (whether|if) {Q} (is used|appears|occurs|is mentioned|is referenced) anywhere
    grep (for |){Q}
    (search|grep|look) (for the text|for the string|for the word|for the phrase|for the regex|for the pattern|for) {Q}
    do a (project-wide|global|full) search for {Q}
"""
GREP_EVERYWHERE_QUESTIONS = """
    where (is|are) {Q} (used|mentioned|referenced|called|imported|set|handled)?
    where (is|are) {Q} (used|mentioned|referenced|called) (in the code|in the project|in this repo|in the codebase)?
    where (do we|do i|does the code|does the project|does anything) (use|mention|call|import|reference|set) {Q}?
    where (does|do) {Q} (occur|appear|come up|show up) (in the code|in the project|in the repo|)?
    !which (files|modules|lines|parts of the code|places) (contain|mention|use|match|reference|call|import|have) {Q}?
    !what files (contain|mention|use|reference|import|call) {Q}?
    is {Q} (used|mentioned|referenced|called) (anywhere|somewhere|in the project|in the codebase|at all)?
    does (the code|the project|anything|any file|the repo|the codebase) (mention|contain|use|call|reference|import) {Q}?
    !who (uses|calls|mentions|references|imports) {Q}?
    any (mention|use|sign|trace|occurrence) of {Q} (anywhere|in the project|in the code|here|in the repo)?
    do we (use|mention|call|have|import|reference) {Q} (anywhere|somewhere)?
    are there any (uses|mentions|occurrences|references|matches) of {Q} (here|anywhere|in the project)?
"""
GREP_EVERYWHERE_REMARKS = """
    i (want|need) (every|each|all) (use of|mention of|occurrence of|reference to|line with) {Q}
    i (want|need|would like) to (know|see|find out|check) where {Q} (is used|appears|occurs|is mentioned|is called)
    !i'm (looking|searching) for {Q} (in the project|in the code|somewhere in the repo|everywhere)
    i (wonder|forgot|don't know|can't remember) where (we use|we call|i used|i wrote) {Q}
    (let's|let us) (search|scan|grep) (the code|the project|everything|the repo) for {Q}
    {Q} is (used|mentioned|called) somewhere, (find it|find where|show me where|search for it)
    in the (whole project|codebase|repo|entire project), (find|search for|look for|grep for) {Q}
"""
GREP_DEFINED = """
    (find|show me|locate|look up|tell me|search for) (where {S} is defined|the definition of {S}|where {S} is declared|where {S} is implemented)
    find the (function|class|method|variable) {S} in the (code|project|codebase|repo)
"""
GREP_DEFINED_QUESTIONS = """
    where (is|did we define|do we define|is the function|is the class|is the method) {S} (defined|declared|implemented)?
    where's {S} (defined|declared|implemented|coming from)?
"""

GLOB_ORDERS = """
    !(list|find|show|show me|get|give me|locate|display|collect|enumerate|print|look up|fetch|match) (all files|every file|the files|files|all the files|any files|all paths) (matching|like|fitting|of the form|with names like|whose path matches) {G}
    !(list|find|show|show me|get|give me|locate) (all files|the files|files|all the files) (that match|that fit|whose names match|that look like) {G}
    (glob|match|expand|list|resolve) {G}
    (glob|look) for {G}
    !(list|find|show me|get|give me|locate|enumerate|collect|see) (all|all the|the) {G} files (here|in the project|)
    !(list|find|show me|get|give me|locate) (every|each) {G} file (here|there is|in the project|)
    !(list|find|show me|get|give me|locate) {G} files
    (search for|look for|hunt for|find me) (files|paths|filenames|file names) (matching|like|that match|of the form) {G}
    use (the glob|the pattern|the wildcard|the glob pattern) {G} (to find files|to list files|and list the matches|and show me the files)
    !(list|show me|tell me|find out|see|check) (what|which) files (match|fit|there are for|go with|are covered by) {G}
    (do|run) a (glob|file search|filename search|glob search) (for|on|with) {G}
    !(list|find|get) everything (matching|that matches|under the pattern|fitting|like) {G}
    !(show|list|print|give) me the (names|paths|list) of (all |)files (matching|that match|like) {G}
    glob: {G}
    expand the (glob|pattern|wildcard) {G}
    match the (glob|pattern|wildcard) {G} against the (project|file tree|files)
    !check for files (matching|like|that match) {G}
"""
GLOB_QUESTIONS = """
    !(what|which) files (match|fit|are matched by|go with|are there for|does the project have for) {G}?
    (what|which) (paths|file names|filenames) match {G}?
    what (matches|does {G} match, i mean the files for|do you get for the glob|is matched by) {G}?
    !are there (any|some) (files matching|files like|files that match|matches for the glob) {G}?
    is there (any file|a file|anything) (matching|like|that matches) {G}?
    do we have (any |)files (matching|like|that match) {G}?
    do any files match {G}?
    how does the glob {G} expand?
    what does the (glob|wildcard|file pattern) {G} (match|expand to|find|give)?
    (mind|how about) (listing|finding) (the files|all files|everything) (matching|like) {G}?
"""
GLOB_REMARKS = """
    i (need|want|would like) (all|the|a list of all|a list of the) files (matching|like|that match) {G}
    i (need|want) (every|each) file (matching|like|that matches) {G}
    i'd like (all files|a list of files|to see the files) (matching|like|that match) {G}
    !i'm (looking|searching) for files (matching|like|that match|named like) {G}
    i (need|want) to (see|know|list|find) (which files match|every file matching|all files like) {G}
    (files|all files|file list|paths) (matching|like|for) {G} (please|pls|)
    {G}, (which files are those|list those files|what files match that)?
    (let's|let us) (see|list|find) (which files match|the files matching|all files like) {G}
    glob pattern: {G}
"""
GLOB_LANGUAGE = """
    !(list|find|show|show me|get|give me|locate|display|enumerate|collect|look for|search for) (all|all the|the|my|our|all our|all my) {L} (files|files please|files there are)
    !(list|find|show|show me|get|give me|locate|display|enumerate) (every|each|every single) {L} file
    !(list|find|show me|get|give me|locate) all (the |){L} files (in the project|in this repo|in the repo|here|in the codebase|that we have|we have|there are|anywhere)
    glob (all |the |){L} files
    (list|show me|tell me|see) (which|what) {L} files (there are|we have|exist|are in the project|are here)
"""
GLOB_LANGUAGE_QUESTIONS = """
    !(what|which) {L} files (are there|do we have|exist|are in the project|does the project have|are in this repo)?
    !where are (the|all the|our|my) {L} files?
    are there any {L} files (here|in the project|in this repo|anywhere|)?
    do we have any {L} files?
"""
GLOB_LANGUAGE_REMARKS = """
    i (need|want|would like) (all|to see all|a list of|every one of|the list of) (the |){L} files
    (all|all the|the) {L} files (please|in the project|in this repo|pls)
    every {L} file (please|in the project|in this repo|pls)
    i'm looking for {L} files
"""
GLOB_LANGUAGE_IN = """
    !(list|find|show|show me|get|give me|locate|display|enumerate|collect|look for) (all|all the|the|any) {L} files (in|under|inside|within|below|from) {D}
    !(list|find|show me|get|give me|locate) (every|each) {L} file (in|under|inside|within|below) {D}
    !in {D}, (list|find|show me|get) (all|all the|the) {L} files
    in {D}, (list|find|show me|get) every {L} file
    (search|scan|go through|look in) {D} for {L} files
"""
GLOB_LANGUAGE_IN_QUESTIONS = """
    !(what|which) {L} files (are|do we have|exist|live|are there) (in|under|inside) {D}?
    are there any {L} files (in|under|inside) {D}?
    does {D} (have|contain) any {L} files?
"""
GLOB_LANGUAGE_IN_REMARKS = """
    i (need|want) (all|the|every one of the) {L} files (in|under|from|inside) {D}
    (all|the|all the) {L} files (in|under) {D} (please|pls|)
    every {L} file (in|under) {D} (please|pls|)
    the {L} files (in|under|inside) {D}, (list them|which are there|show me)
"""
GLOB_ENDING = """
    !(list|find|show|show me|get|give me|locate|collect|enumerate) (all files|every file|the files|files|everything) (ending in|ending with|with the extension|with extension|with the suffix) {E}
    !(list|find|show me|get|give me) (all files|the files|files) (that end in|that end with|whose names end in|that have the extension) {E}
    !(list|find|show me|get|give me|locate|display) (all|all the|the|my) {E} files
    !(list|find|show me|get|give me) (every|each) {E} file
    look for {E} files
"""
GLOB_ENDING_QUESTIONS = """
    !(which|what) files (end in|end with|have the extension|have the ending) {E}?
    (which|what) {E} files (are there|do we have|exist)?
    are there any {E} files (here|in the project|)?
"""
GLOB_ENDING_IN = """
    !(list|find|show me|get|give me|locate) (all files|every file|the files|files) (ending in|ending with|with the extension) {E} (in|under|inside|below) {D}
    !(list|find|show me|get|give me|locate) (all|the|all the) {E} files (in|under|inside|below) {D}
    !(list|find|show me|get) (every|each) {E} file (in|under|inside|below) {D}
    in {D}, (list|find|show me) (all|all the|the) {E} files
    in {D}, (list|find|show me) every {E} file
"""
GLOB_ENDING_IN_QUESTIONS = """
    !(which|what) files (in|under|inside) {D} (end in|end with|have the extension) {E}?
    (which|what) {E} files are (in|under|inside) {D}?
"""
GLOB_CALLED = """
    !(find|locate|list|show me|get|search for|look for|track down) (all files|every file|files|any file|all the files|the file|a file) (called|named|with the name) {N}
    !(find|list|locate) (all files|files|all the files) that are (called|named) {N}
    (find|locate) (every|each|all) {N} (in the project|in the repo|here|anywhere|in the tree)
    list all the places where a file (called|named) {N} (exists|lives|is)
"""
GLOB_CALLED_QUESTIONS = """
    !(where is|where's) the file (called|named) {N}?
    !(which|what) files are (called|named) {N}?
    is there (a|any) file (called|named) {N} (anywhere|somewhere|in the project|)?
    where (in the project|in the tree|in the repo) is the file (called |named |){N}?
    in which folder (is|does) (the file |){N} (located|stored|live)?
"""
GLOB_STARTING = """
    !(find|list|show me|get|give me|locate|look for) (all files|every file|files|the files) (starting with|beginning with|with the prefix) {S}
    !(find|list|show me|get|give me|locate) (all files|files|the files) (that start with|that begin with|whose names start with|whose names begin with) {S}
"""
GLOB_STARTING_QUESTIONS = """
    !(which|what) files (start|begin) with {S}?
    are there (any |)files (starting with|that start with|whose names begin with) {S}?
"""
GLOB_CONTAINING = """
    !(find|list|show me|get|give me|locate) (all files|every file|files|the files) (with|having) {S} in (the name|their name|the filename|their names|the file name)
    !(find|list|show me|locate) (files|all files) whose (names|filenames|file names) (contain|include|have) {S}
    !(find|list) every file whose (name|filename|file name) (contains|includes|has) {S}
"""
GLOB_CONTAINING_QUESTIONS = """
    !(which|what) files have {S} in (their name|the name|the filename|their names)?
    (which|what) file names contain {S}?
    are there files with {S} in (the name|the filename|their names)?
"""

GLOB_FOLDER_ORDERS = """
    (list|show|show me|give me|get|display|enumerate) (the files|all files|all the files|files|everything) (in|inside|under) {D}
    (list|show me|tell me|see) (what|which) files are (in|inside|under) {D}
"""
GLOB_FOLDER_QUESTIONS = """
    (what|which) files (are|do we have|live) (in|inside|under) {D}?
"""
