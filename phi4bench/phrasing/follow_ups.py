# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say in later turns: frames by what the earlier turns held. Data only.

`IT_*` follow an exchange about one file, `NTH_*` one that listed several, `SAME_*` ask for the same again.
"""

from __future__ import annotations

IT_READ = """
    (open|show me|read|display|print|view|see|check|inspect|pull up|look at|take a look at|let me see|load) (it|that|that file|the file|this file)
    (now|ok now|great, now|then|and now) (open|show me|read|display|print|check|let me see|pull up) (it|that file|the file)
    (what's in it|what does it say|what does it contain|what does it look like now|what's in there|what's inside)?
    (can i see|may i see|could you show me|would you open) (it|that file|the file|its contents)?
    (show me|print|read out|give me|display) (its contents|the contents|the whole file|what's in it|all of it)
    i want to (see|read|check) (it|that file|the contents|the result)
    (open it up|read it back to me|cat it|let me have a look at it|let's see it|show it|print it out)
    @(bring it up|bring that file up|put it on the screen|put that file on the screen)
    @(what does that one say|what does that one contain|what is written in it|what is written there)?
    @(i'd like to see|i'd like to look at|i would like to read|i need to see) (it|that one)
    @(let me read|let me look at) (it|that file|that one)
    @(i need its contents|i need to know what's in it|tell me what's in it|tell me what the file says)
    @(could i read it|could i have a look at it|can i read that file|may i look inside)?
    @(display that one|print everything in it|show everything in it|read all of it|read through it|show me what it holds)
    @(fetch its contents|get me its contents|get me what's in it)
    @how does (it|that file|the file) look (at the moment|by now|right now)?
"""
IT_GREP = """
    (search|scan|check|grep|go through) (it|that file|the file|this file) for {Q}
    (now|ok now|and now) (search|check|grep|scan) (it|that file|the file) for {Q}
    (find|look for|search for|locate|grep for) {Q} (in it|in there|in that file|in that one|there|in the same file)
    does (it|that file|the file) (mention|contain|use|have|say) {Q}?
    where (does it|does that file) (mention|use|say|have) {Q}?
    is {Q} (in there|in it|used in it|mentioned in that file)?
    (which lines|what) in (it|that file) (contain|match|mention) {Q}?
    @(hunt for|look out for|look up) {Q} (in it|in there|in that file)
    @(search|check|scan) (that one|the same file|its contents) for {Q}
    @has (it|that file|the file) got {Q} (anywhere|somewhere|in it)?
    @does {Q} (occur|appear|show up|come up) (in it|in there|in that file)?
    @is there any {Q} (in it|in there|in that file)?
    @(see|check|tell me) (whether|if) {Q} (is in it|occurs in it|is in that file|comes up in there)
    @on (which|what) lines does {Q} (occur|appear) in (it|that file)?
    @(run|do) a search for {Q} (in it|in there|in that file)
"""
IT_EDIT = """
    (change|rename|turn|update|switch|correct) {A} (to|into) {B} (there|in it|in there|in that file|in the file|in that one)
    (replace|substitute) {A} (with|by) {B} (there|in it|in there|in that file|in that one)
    (now|great, now|ok,) (change|rename|update) {A} to {B} (there|in it|in that file)
    (now|ok,) replace {A} with {B} (there|in it|in that file)
    (swap|exchange) {A} for {B} (there|in it|in there|in that file)
    in (it|that file|there|the same file), (change|turn|rename) {A} (to|into) {B}
    in (it|that file|there), replace {A} (with|by) {B}
    use {B} instead of {A} (there|in it|in that file)
    {A} (should be|must be|should say|needs to be) {B} (there|in it|in that file)
    it should say {B} (instead of|not|rather than) {A}
    make {A} {B} (there|in it|in that file)
    @(alter|modify|convert|amend) {A} (to|into) {B} (in it|in there|in that file)
    @{A} (becomes|has to become|ought to be) {B} (in it|there|in that file)
    @(let|have) it say {B} (instead of|rather than|where it says) {A}
    @put {B} (in place of|where it says) {A} (in it|there|in that file)
    @i (want|need) {A} (changed to|replaced by|to be) {B} (in it|there|in that file)
    @in (that one|the file|this file), (swap|exchange) {A} for {B}
    @(edit|fix) (it|that file) so that it says {B} (instead of|rather than) {A}
"""
IT_DELETE = """
    (remove|delete|drop|erase|strip) {A} from (it|that file|there|the file)
    (get rid of|take out) {A} (there|in it|in that file)
    (now|ok,) (remove|delete) {A} from (it|that file)
    @(cut|throw) {A} out of (it|that file|there)
    @clear {A} from (it|that file|there)
    @{A} (should go|has to go|must go|can go) from (it|that file|there)
    @i (don't|do not) want {A} (in it|in there|in that file) (anymore|any longer)
    @take {A} (out of it|out of that file|away from it)
"""
IT_WRITE = """
    (overwrite|replace) (it|that file|the whole file|the file) with {X}
    (now|ok,) overwrite (it|that file) with {X}
    make (it|that file|the whole file) (say|contain|just) {X}
    (set|change) (its contents|the contents|the whole content) to {X}
    (write|put) {X} (into it|into that file|in there) instead of what it has now
    it should (just|only) (contain|say|hold) {X}
    @(fill|rewrite) (it|that file) with (just|only|nothing but) {X}
    @its (whole|entire|new) (content|text) (should be|must be|becomes) {X}
    @(let|have) (it|that file) (contain|hold) (just|only|nothing but) {X}
    @(throw away|discard) what's in it and (write|put|save) {X} there instead
    @(save|write) {X} over (it|that file|what it has now)
"""
IT_REMOVE = """
    (delete|remove) (that file|the file|it) from (disk|the disk)
    delete (that|the|this) file
    rm (it|that file)
    @(throw away|get rid of) (that file|the file|this file) (altogether|completely|for good)
    @i (don't|do not) need (that file|the file) (anymore|any longer), delete it
    @remove (that file|this file) (altogether|entirely|for good)
"""
IT_PYTHON = """
    (run|execute|start) (it|that|that file|the script) (with python|using python|in python)
    (now|ok,) run (it|that script) with python
    @(let|have) python (run|execute) (it|that file|that script)
    @(run|execute|start) (that one|the file|this script) (with|using) python
    @use python to (run|execute|start) (it|that file|the script)
"""
NTH_READ = """
    (open|show me|read|display|print|view|check|pull up|look at|let me see) {n}
    (now|ok,|great,) (open|show me|read|print) {n}
    (open|read|show me) {n} (of them|in the list|please|of those)
    (what's in|what does it say in) {n}?
    (i want to see|let's see|i'd like to read|can i see|let me have a look at) {n}
    {n} (please|looks good, open it|, show it to me)
    @(bring up|let me read|let me look at|give me) {n}
    @(what is in|what's inside|what is written in) {n}?
    @(i'd like to look at|i need to see|i would like to read|i want to open|could i see|could i read) {n}
    @{n} (is the one to open|is what i want to read|is the one i need to see|would be good to see)
    @(go on|continue|start) with {n}, (open it|read it|show it to me)
"""
NTH_GREP = """
    (search|scan|grep|check) {n} for {Q}
    (look for|find|search for) {Q} in {n}
    does {n} (mention|contain|use) {Q}?
    @(hunt for|locate|grep for|check for) {Q} in {n}
    @is {Q} (in|used in|mentioned in|anywhere in) {n}?
    @(does {n} have|does {n} say|has {n} got) {Q}?
    @(go through|look through) {n} for {Q}
"""
NTH_EDIT = """
    (change|rename|turn|update) {A} (to|into) {B} in {n}
    replace {A} (with|by) {B} in {n}
    in {n}, (change|rename) {A} to {B}
    in {n}, replace {A} with {B}
    (swap|exchange) {A} for {B} in {n}
    @(alter|switch|correct|convert) {A} (to|into) {B} in {n}
    @substitute {B} for {A} in {n}
    @in {n}, (swap|exchange) {A} for {B}
    @{A} (should be|must become|has to be) {B} in {n}
    @i want {A} (changed to|replaced by) {B} in {n}
    @{n} should say {B} (instead of|rather than) {A}
"""
NTH_DELETE = """
    (remove|delete|drop) the text {A} from {n}
    @(erase|strip|cut|clear) the text {A} from {n}
    @the text {A} (should go|has to go|must go) from {n}
    @i don't want the text {A} in {n} (anymore|any longer)
"""
SAME_PATH = """
    (same for|do the same for|and the same for|likewise for|repeat that for|and also for|now the same for|now for|and for|same thing for|same with|do that for|once more for) {P}
    (do that|do the same|repeat that|same thing|the same) (for|with) {P} (too|as well|also|now)
    (and|what about|how about|now|and now) {P}?
    {P} (too|as well|next|also)
    i (also need that|need the same|want the same) for {P}
    (i meant|sorry, i meant|no, i meant|oops, it's|wrong file, i meant|not that one,) {P}
    @(the very same|exactly the same|the same once more|the same again) (for|with) {P}
    @{P} (needs|wants|should get|gets) the same (treatment|)
    @i (want|need) (it|that|the same thing) (done|repeated) for {P} (too|as well)
    @that was the wrong file, (use|take) {P} instead
    @(go on|carry on|continue) with {P} in the same way
    @then the same (for|with) {P}
"""
SAME_PLACE = """
    (and in|what about|how about|now in|and now in|also in|same in|and what about in|now try|try) {Z}?
    (do that|do the same|the same search|search|look) (in|inside) {Z} (too|as well|also|now|instead)
    (same search|same|the same|repeat the search|repeat that|again|once more) (in|but in|for|this time in) {Z}
    (i meant|sorry, i meant|no, i meant|wrong place, i meant) (in |){Z}
    {Z} (too|as well|next|instead)
"""
SAME_PATTERN = """
    (now|and|also|then) (search for|look for|find|grep for) {Q} (there|in the same place|in there)
    (and|what about|how about) {Q} (there|in the same place|in the same folder)?
    (same for|the same for|same search for|the same with) {Q}
    (search for|look for|find) {Q} (there|there too|there instead|in the same place)
    (i meant|sorry, i meant|no, the pattern is|make that) {Q}
    (any|is there any|does it have) {Q} (there|in there|in the same place) (too|as well)?
"""
SAME_GLOB = """
    (same for|and|what about|how about|now|and for|also) {G}?
    (now|and|also) (list|find|show me|match) {G}
    (i meant|sorry, i meant|no, make that|use) {G} (instead|this time|)
"""
SAME_LANGUAGE = """
    (now|and|also) the {L} (files|ones)
    (what about|how about|and) the {L} (files|ones)?
    (same for|do the same for) {L} files
    @(show|list) the {L} (ones|files) (next|as well)
"""
SAME_COMMAND = """
    (now|and now|then|after that|great, now|ok,|good,) (run|execute|try|do) {C}
    (now|and|also|next) {C}
    (i meant|sorry, i meant|no, make that|instead, run) {C}
    @(carry on|go on|continue) with {C}
    @(and finally|lastly|to finish), (run|execute) {C}
"""
AGAIN = """
    (run|do|try|repeat) (it|that|this) (again|once more|one more time|another time|again please)
    (again|once more|one more time|repeat|retry) (please|)
    (try|retry|repeat) (the same command|that command|the last command) (again|please|now)
    (can|could) you (run|do|repeat) that (again|once more|one more time)?
    i (fixed something|changed something|saved the file|updated it), (run it again|try again|retry|once more)
"""
AGAIN_FLAG = """
    (try again|again|run it again|once more|same|do that again|rerun it|retry|now|repeat that|run that) with {F}
    (add|append|also pass|use|include) {F} (and run it again|and try again|and rerun|and repeat it|this time)
    the same (command |)with {F} (at the end|added|)
    run it again, but with {F}
"""
UNDO = """
    (undo|revert|roll back|take back) (that|it|this|the change|that change|that edit|the edit|your last change|the last change)
    (please undo|undo|revert) (that|it) (please|again|right away|now)
    (put|change|turn|switch|set) (it|that) back
    (actually|no|hm|oops|wait), (undo that|revert that|put it back|change it back|take that back|i want the old one back)
    (that was wrong|that was a mistake|that broke something|that's not right|i changed my mind), (undo it|revert it|put it back|change it back)
    (can|could) you (undo|revert|roll back) (that|it|the change)?
    (go|change) back to (what it was|the old text|how it was|the old value)
    i (want|need) the (old|previous) (text|value|one) back
"""

TWO_STEPS = {
    "grep>read": """
        (find|see|look up|search for) where {S} is (defined|declared|used|implemented) and (open|show me|read|print) (that file|the file|it)
        (open|show me|read) the file (that defines|where|that contains|that mentions) {S} (is defined|somewhere|, find it first|, wherever it is)
        (search|grep) (the project|the code|everything) for {S} and (open|read|show me) (the file it is in|the file you find|the first hit)
        i need to (see|read) the file that (contains|defines|mentions) {S}, (search for it first|find it|look it up)
        which file has {S}? (open it|show it to me|read it)
    """,
    "glob>read": """
        (find|locate|look for|search for) (the file called|the file named|a file called) {N} and (open it|show it to me|read it|print it|tell me what it says)
        there's a {N} (somewhere|in some folder|in this project), (find it and open it|open it|show it to me|find and read it)
        (open|show me|read) the {N} (somewhere in this project|wherever it is|that is hidden in some folder)
        i don't know (where|in which folder) {N} is, (find it and read it|but open it|but show me its contents)
    """,
    "grep>edit": """
        (find|look up|search for) {A} in the (project|code) and (change it to|replace it with|rename it to|turn it into) {B}
        {A} is (somewhere in the project|in one of the files), (change it to|replace it with|make it) {B}
        (change|rename) {A} to {B} (wherever it is|wherever it occurs|, find out where it is|in the file that has it)
        replace {A} with {B} (wherever it is|, but find it first|in the file that has it)
    """,
    "glob>edit": """
        (find|locate|look for) (the file called|the file named) {N} and (change {A} to|replace {A} with|rename {A} to|turn {A} into) {B} (there|in it)
        (change|turn) {A} (to|into) {B} in {N}, (find out where it is|which is somewhere in the project|wherever that is)
    """,
    "read>edit": """
        (read|open|look at|check|show me) {P} and (then |)(change {A} to|replace {A} with|rename {A} to|turn {A} into) {B} (there|in it|)
        (first |)(read|open|look at) {P}, then (change {A} to|replace {A} with|rename {A} to) {B}
        (change {A} to|replace {A} with) {B} in {P}, but (read it first|look at it before you do|open it first)
    """,
    "write>bash": """
        (create|write|make) {P} with {X} and then run {C}
        (save|write|put) {X} (to|in|into) {P}, then (run|execute) {C}
        first (create|write) {P} with {X}, (then|after that) (run|execute) {C}
    """,
    "edit>bash": """
        (change|rename|update) {A} to {B} in {P} and then run {C}
        replace {A} with {B} in {P}, then (run|execute) {C}
        in {P}, (change {A} to|replace {A} with) {B}; (after that|then|when that's done) run {C}
    """,
    "bash>read": """
        (run|execute) {C} and then (open|show me|read) {P}
        first (run|execute|do) {C}, (then|after that) (show me|open|read|print) {P}
        (run|execute) {C}; (after that|when it's done|then) i want to see {P}
    """,
    "glob>grep": """
        (find|locate) (the file called|the file named) {N} and (search it for|look in it for|grep it for|check it for) {Q}
        there's a {N} (somewhere|in some folder), (search it for|find it and look for|find it and grep it for) {Q}
    """,
    "write>read": """
        (create|write|make) {P} with {X} and (then show me the file|then read it back|then open it|read it back to me)
        (save|put|write) {X} (to|into) {P}, then (show me the file|read it back|open it|display the file)
    """,
    "edit>read": """
        (change|rename) {A} to {B} in {P} and (then show me the file|then read it back|then open it|show me the result)
        replace {A} with {B} in {P}, then (show me the file|read it back|open it|print the file)
    """,
    "read>write": """
        (read|open|look at|check) {P} and then (write|save|put) {X} (to|into) {O}
        first (read|show me|open) {P}, (then|after that) create {O} with {X}
    """,
    "bash>glob": """
        (run|execute) {C} and then (list|find|show me) (all|the) files matching {G}
        first (run|execute) {C}, (then|after that) (list|find) everything matching {G}
    """,
}
