# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say to read, write, edit and bash: frames by recipe. Data only; `engine` compiles them.

Orders begin with a verb, so that politeness can go before it. A frame marked with `!` is one that other tools could be
meant by at first sight: selection cases are drawn from these.
"""

from __future__ import annotations

READ_ORDERS = """
    (open|show|display|print|view|read|load|inspect|fetch|get|check|output|examine|review|retrieve) {P}
    !(show|display|print|dump|view|read|get|fetch|give me|show me|let me see|pull up|bring up|output|return|retrieve) (the contents of|the content of|what's in|everything in|all of|the text of|the source of|the code in|the whole of|the full text of|what is inside) {P}
    (open|show|show me|display|print|view|read|load|check|inspect|pull up|bring up|look at|get|fetch|examine|review|go through) (the file|my|our|the config|the script|the module|this file:|the document) {P}
    (cat|open up|pull up|bring up|take a look at|have a look at|look at|peek at|look into|look inside|look through|go over|go through|give me|show me|let me see|let me read|print out|read through|read out|take a peek at|have a peek in|peek into|study|skim|dump|spit out|call up|get me|hand me|fetch me) {P}
    !(show me|tell me|see|check|look at|find out|let me know|let me see) (what's in|what is in|what's inside|what is written in|what's written in) {P}
    (show me|tell me|see|check|let me know|find out) what (the file |){P} (says|contains|looks like|has in it|holds)
    (open|show me|display|read|print|view|pull up|look at) the (file|script|config|document|source file|config file|text file) (called|named|at) {P}
    !(open|show me|display|read|print|view|look at|check) the {P} file
    (print|read) (out |)(the entire|the complete|the whole|the full) (file|contents of) {P}
    (dump|show|display) (the entire|the complete|the whole|the full) (file|contents of) {P}
    (read|open|go through|look through|check) {P} (from top to bottom|and tell me what it says|and show it to me|and show me what's there|in full|completely|once more|again)
    (have|take) a (quick|closer|good|careful|fresh) look (at|inside|into) {P}
    (bring|pull) {P} up (on screen|for me|here|)
    (put|throw) {P} (onto the screen|up on the screen|on screen)
    load {P} (into view|on screen)
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
    (can|could) you show me (what's in |the whole ){P}?
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
    !(write|save|dump|print|output) {X} (to|into) (the file |a file called |a new file |a file named |){P}
    !(write|save|store) {X} (in|inside) (the file |a file called |a new file |a file named |){P}
    !(put|place|drop|stick) {X} (in|into|inside) (a file called |a new file |a file named ){P}
    !save (this|the following|the text below|this text|the content) (to|in|into|as) {P}: {X}
    !(write|put) (this|the following|the text below|this text|the content) into {P}: {X}
    !write (this|the following|the text below|this text|the content) to {P}: {X}
    !(store|put) (this|the following|the text below|this text|the content) in {P}: {X}
    (write|save) {P} with (the content|the text|this content:|the following content:) {X}
    !overwrite (the contents of|everything in|all of|the whole of|the entire file) {P} with {X}
    !replace (the contents of|everything in|all of|the whole of|the entire file) {P} (with|by) {X}
    overwrite {P} (with|so it says|so that it contains) {X}
    !(fill|populate|initialize|seed) {P} with {X}
    !set the (contents|content|text|whole text) of {P} to {X}
    make {P} (say|contain|hold|consist of|a file with the content|read just) {X}
    !make sure (a file |){P} (exists with the content|contains exactly|says only|exists and contains) {X}
    (create|make|write): {P}, (content|contents|with the text|containing): {X}
    in {P}, (write|save|store) {X}
    !into {P} (write|save|put) {X}
    write a (file|new file|text file|small file|script|config) (at|to|called) {P} (with|containing|that says) {X}
    save a (file|new file|text file) (at|as|called) {P} (with|containing|that says) {X}
    !write {X} and save it (as|to|under|in) {P}
    !(save|store) {X} (as|under the name|under) {P}
    (write|create|make) {P}: {X}
    !put a file (at|called|named) {P} (with|containing|that says) {X} (there|in place|in the project)
    start {P} off with (just |only |){X}
    begin {P} with (just |only |){X}
    (create|write|generate|add) a (file|new file) at {P} whose (only content|entire text|body) is {X}
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
    i (need|want) {X} (saved|written) (to|in|into|in the file) {P}
    i (need|want) {X} (stored|dumped) (in|into|in the file) {P}
    !i want {P} to (contain|say|hold|consist of) {X}
    !{P} (should|must|needs to|has to|ought to) (contain|say|consist of|hold|read) (just |exactly |){X}
    !{X} (goes|should go|has to go|needs to go) (in|into) {P}
    !{X} belongs in {P}
    new file {P}: {X}
    new file (called|named) {P}, (content|contents|text|body): {X}
    {P} (doesn't exist|is missing|is gone|isn't there yet), (create it with|write it with|make one with|so create it and put in) {X}
    we (need|want|are missing) a (file|new file) {P} (with|containing|that says) {X}
    there should be a file {P} (with|containing|that says) {X}
    !the (content|contents|text|whole text) of {P} should be {X}
    for {P}, the content is {X}, (write it|save it|create the file)
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
    (change|convert|switch|alter|modify|update|adjust|correct|fix|rename|amend|rewrite|edit) {A} to {B} (in|inside|in the file|within|in my) {P}
    (change|turn|convert|rewrite) {A} into {B} (in|inside|in the file|within|in my) {P}
    in (the file |my |our |){P}, (change|rename|update|switch|correct|rewrite|edit|modify|set) {A} to {B}
    in (the file |my |our |){P}, (change|turn|rewrite) {A} into {B}
    in {P} (change|rename|update|switch) {A} to {B}
    in (the file |my |our |){P}, (replace|substitute) {A} (with|by) {B}
    in (the file |my |our |){P}, overwrite {A} with {B}
    in {P} replace {A} with {B}
    (swap|exchange|switch|trade|switch out|swap out) {A} for {B} (in|inside|in the file|within) {P}
    in {P}, (swap|exchange|trade|switch|swap out) {A} for {B}
    (swap|switch) out {A} (with|and put in) {B} (in|inside) {P}
    !(edit|update|modify|change|fix|patch|adjust|correct) (the file |my |){P} (so that {A} becomes|so {A} becomes|to turn {A} into|and change {A} to|and replace {A} with|by changing {A} to|by replacing {A} with|and make {A}) {B}
    (edit|update|modify|change|fix|patch) {P}: {A} (->|=>|becomes|should be|to|is now) {B}
    use {B} (instead of|rather than|in place of) {A} (in|inside|in the file|within) {P}
    in {P}, use {B} (instead of|rather than|in place of) {A}
    !(put|write|place) {B} (instead of|in place of|where it says|rather than) {A} (in|inside|in the file) {P}
    make {A} (say |read |be |become |){B} (in|inside|in the file) {P}
    let {A} (say |read |be |become ){B} (in|inside|in the file) {P}
    in {P}, (make|let) {A} (say|read|be|become) {B}
    !(find|look for|locate) {A} in {P} and (replace it with|change it to|turn it into|make it|rewrite it as) {B}
    !(search|go through|open|read) {P} (for {A} and replace it with|, find {A} and change it to|and change {A} into) {B}
    (fix|correct) the (typo|mistake|spelling|error) {A} in {P}, it should (be|say|read) {B}
    (fix|correct) the (typo|mistake|error) in {P}: {A} should (be|say|read) {B}
    (change|update) the (value|text|string|part|bit|line|name|word) {A} to {B} in {P}
    change the (value|text|string|part|bit|line|name|word) {A} into {B} in {P}
    (bump|set|move) the value {A} to {B} in {P}
    !(change|update) the (line|text|string|name|word|expression) {A} in {P} to {B}
    !replace the (line|text|string|name|word|expression) {A} in {P} (with|by) {B}
    replace: {A} with {B}, (file|in|path): {P}
    change: {A} to {B}, (file|in|path): {P}
    for {P}: swap {A} for {B}
    for {P}: (change|rename) {A} to {B}
    for {P}: (replace|swap) {A} with {B}
    (bump|move) {A} to {B} in {P}
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
    (mind|how about) (changing|renaming) {A} to {B} in {P}?
    (mind|how about) (changing|turning) {A} into {B} in {P}?
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
    {P}: replace {A} (with|by) {B}
    {P}: (change|rename) {A} to {B}
    {P}: swap {A} with {B}
    {A} (->|=>) {B} in {P}
    !{P} (has|says|contains|uses|still has|still says|still uses|wrongly says) {A}, (make it|change it to|it should be|replace it with|turn that into|i want) {B}
    !there's (a|an old|a wrong|a stale) {A} in {P}, (make it|change it to|it should be|replace it with) {B}
    i (want|need|would like) {A} (changed to|replaced with|replaced by|renamed to|turned into|to become|to be) {B} in {P}
    i'd like {A} (changed to|replaced with|renamed to|to be) {B} in {P}
    i (want|need) to (change|rename|update) {A} to {B} in {P}
    i (want|need) to (change|turn) {A} into {B} in {P}
    i (want|need) to replace {A} with {B} in {P}
    i (mistyped|misspelled) {A} in {P}, it should (be|say) {B}
    i got {A} wrong in {P}, it should (be|say) {B}
    we (renamed|changed) {A} to {B}, (update|fix|adapt|adjust) {P} (accordingly|too|to match|please)
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
    !(run|execute|launch|start|try|do|perform) {C} (in the terminal|in the shell|in bash|on the command line|in a shell|from the project root|in a terminal|here|again|once|one more time)
    !(type|enter) {C} (in the terminal|in the shell|in bash|on the command line|in a shell|in a terminal|again|one more time)
    (use|open) (the shell|bash|the terminal|a terminal|the command line) (to run|and run|to execute|and execute|and type) {C}
    in (the terminal|the shell|bash|a terminal|a shell), (run|execute|type|do|try) {C}
    !(show me|give me|print|get|tell me|get me|fetch|collect|let me see|display) (the output of|the result of running|the output of running|the result of) {C}
    !(show me|tell me|let me see) (what you get from|what comes out of) {C}
    !(see|check|find out|tell me|let me know|show me) what {C} (prints|outputs|says|returns|gives|reports|shows)
    !(see|check|find out) (whether|if) {C} (works|passes|succeeds|runs|fails)
    (run|execute|type): {C}
    shell: {C}
    (run|execute) {C} and (show me the output|tell me what it says|report back|paste the result|tell me if it works)
    give {C} a (try|go|shot|spin)
    run a quick {C}
    (let|have) the shell (run|execute|do) {C}
"""
BASH_QUESTIONS = """
    what does {C} (print|output|give|return|say|report) (right now|here|on this machine|in this repo|if you run it)?
    !what's the (output|result) of {C} (here|right now|now|in this folder)?
    what do you get (from|when you run|if you run|for) {C}?
    (mind|how about) (running|executing|trying|launching) {C}?
    does {C} (work|pass|succeed|run|still work) (here|now|at the moment|on this machine)?
    can i (see|get|have) the (output|result) of {C}?
"""
BASH_REMARKS = """
    i (need|want|would like) (the output of|the result of|to see the output of|to run|to execute|to see what comes out of) {C}
    i'd like (the output of|to run|to see the output of|you to execute) {C}
    (let's|let us) (run|try|execute|do|see the output of|start with) {C}
    !command: {C}
    (bash|terminal|shell|cmd): {C}
    the command (to run is|i need is|you should run is) {C}
    (next|first|then) (do|run|try) {C}
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
"""
