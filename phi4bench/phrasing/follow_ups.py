# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say in later turns of a file: frames by what the earlier turns held. Data only.

`IT_*` follow an exchange about one file, `NTH_*` one that listed several.
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
    (dump|spit out|paste|output|post) (its contents|the contents|its full text|the whole thing)( here| for me|)
    i (need|have|would like) to know what's (in it|in there|in that file)( first| exactly|)
    i'm (curious|wondering) what's (in there|in it|in that file), (show me|open it up|read it)
    what (exactly |)(is in|is inside) that file?
    (mind|would you mind) (opening|reading|displaying|printing) (it|that file|the whole file)?
    (would it be possible|is it possible) to see (the whole file|all of it|its contents|what's in it)?
    how does (it|that file|the file) (look|read) now?
    (so,|ok, so|right,|and) what's (in it|in there|in that file)?
    before (we go on|i decide|anything else|we continue), (open it|show me that file|let me read it|i'd like to see what's in it)
    (that file|that one), (let's have a look|show me what's in it|open it for me|all of it)
    (full contents|full text|whole file|complete file)(, please| please| now|)
    (bring it up|pull it up|put it on the screen|let me have it|fetch it) so (i can read it|i can look at it|i can see what's in it)
    i('d like to| want to| need to| should) (go over|go through|review|look over|double-check) (it|that file|the file) (myself|once|first)
    (give it a read|have a read of it|have a look inside|take a peek inside|peek into it|go ahead and open it)
    if (it's not too long|it isn't too big|that's ok), (show me the whole file|print all of it|read it to me)
    i'm not sure what's in (it|there|that file), (open it|let me see it|show me)
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
    i'm (looking|searching) for {Q} (in it|in there|in that file)
    i (need|want|have) to know (if|whether) {Q} (is in it|is in there|occurs in it|shows up in that file)
    does {Q} (appear|occur|show up|turn up) (anywhere |)(in it|in there|in that file)?
    (see|check|find out|tell me) (if|whether) (it|that file) (has|contains|mentions|uses) {Q}
    (any|are there any|do you get any) (matches for|hits for|occurrences of|traces of|results for) {Q} (in it|in there|in that file)?
    on (which|what) lines (is|does it have) {Q}?
    (every line|each line|all the lines|the lines|only the lines) with {Q} (in it|in that file|in there)
    {Q} should be (in there|in it|in that file) somewhere, (find it|look for it|search for it|tell me where)
    (list|show me|give me|print) (the lines|only the lines|just the lines|all lines) (of it |of that file |in there )(with|that have|that contain|matching) {Q}
    (is there |)anything (about|like|matching) {Q} (in there|in it|in that file)?
    (run|do) a (grep|search|quick search) for {Q} (on it|on that file|in there)
    where in (it|that file|there) (is|can i find|do i find|would i find) {Q}?
    (it|that file) must (have|contain|mention) {Q} somewhere, (find that|search for it|look for it)
    i think {Q} is (in there|in that file), (can you confirm|can you find it|can you check)?
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
    (change|turn) {A} (to|into) {B} (there|in it|in there|in that file|in the file|in that one)
    (rename|update|switch|correct) {A} to {B} (there|in it|in there|in that file|in the file|in that one)
    (replace|substitute) {A} (with|by) {B} (there|in it|in there|in that file|in that one)
    (now|great, now|ok,) (change|rename|update) {A} to {B} (there|in it|in that file)
    (now|ok,) replace {A} with {B} (there|in it|in that file)
    (swap|exchange) {A} for {B} (there|in it|in there|in that file)
    in (it|that file|there|the same file), (change|turn) {A} (to|into) {B}
    in (it|that file|there|the same file), rename {A} to {B}
    in (it|that file|there), replace {A} (with|by) {B}
    use {B} instead of {A} (there|in it|in that file)
    {A} (should be|must be|should say|needs to be) {B} (there|in it|in that file)
    it should say {B} (instead of|not|rather than) {A}
    make {A} {B} (there|in it|in that file)
    (put|write) {B} where {A} is (now|in that file|in there)
    i('d like| want) {A} (changed to|replaced with|replaced by|turned into) {B} (there|in it|in that file)
    {A} (is wrong|is outdated|is no longer right|is a mistake) (there|in it|in that file), (make it|it should be|it has to be|change it to) {B}
    where it (says|has) {A}, (put|write|i want|it should have) {B}
    can (it|that file) (say|have|use) {B} (instead of|rather than) {A}?
    (i see|it says|there's|it has) {A} (there|in there), (make that|change that to|that should be|let's make it) {B}
    let's (go with|use|have|try) {B} (instead of|in place of|rather than) {A} (there|in it|in that file)
    {A} (becomes|has to become|should become|is to be) {B} (there|in it|in that file)
    (fix|amend|edit|modify|tweak) (it|that file) so that {A} (becomes|reads|turns into|is replaced by) {B}
    (we|i|they) (renamed|changed) {A} to {B}, (do the same in it|change it in that file too|adapt that file|it has to be updated there too)
    could {A} be {B} (there|in it|in that file)?
    (not|no longer) {A} but {B} (there|in it|in that file)
    the {A} (in it|in there|in that file) (should be|must be|ought to be|was meant to be) {B}
    would you (swap|trade) {A} for {B} in (it|that file|there)?
    i (typed|wrote|left|have) {A} (there|in it|in that file), but (it should be|i need|i want|it has to say) {B}
    (one fix|one change|small change|quick edit) (there|in it|in that file): {A} (to|becomes) {B}
    {A} out, {B} in(, same file|, same place|)
    instead of {A} (i want|i'd rather have|it should have|put) {B} (there|in it|in that file)
    (patch|update) (it|that file): {A} (should read|must read|has to be) {B}
    (adjust|correct) (it|that file), it (must say|needs to say|is supposed to say) {B} and not {A}
    what i want (there|in it|in that file) is {B} (instead of|and not|in place of) {A}
    if (it|that file) (still has|still says|has) {A}, (make it|change that to|turn it into) {B}
    @(alter|convert) {A} (to|into) {B} (in it|in there|in that file)
    @(modify|amend) {A} to {B} (in it|in there|in that file)
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
    {A} (has to go|can go|should go|must go) (from it|from there|from that file)
    (we|i) (don't need|no longer need|don't want|no longer want) {A} (there|in it|in there|in that file)
    {A} (shouldn't be|doesn't belong|is not needed|is superfluous) (there|in it|in that file), (remove it|delete it|take it out)
    (cut|kick|throw|take|clear) {A} out of (it|that file|there)
    {A} is (unused|obsolete|dead code|a leftover|useless) (there|in it|in that file), (delete it|drop that|get rid of it|so out with it)
    can {A} be (removed|deleted|dropped|stripped) from (it|there|that file)?
    (i want|i'd like|i need) {A} (gone|removed|deleted|stripped) from (it|there|that file)
    (clean|tidy) (it|that file) up by (removing|deleting|dropping) {A}
    (scratch|ditch|scrap) {A} (there|in it|in that file)
    (edit|change) (it|that file) so that {A} is (gone|no longer there|removed)
    it (should not|must not|shouldn't) (contain|have|say) {A} (anymore|any longer), (take that out|delete it|remove it)
    what's {A} doing (in there|in it|in that file), can you (remove|delete|drop) it?
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
    (throw away|discard|forget|ditch|drop) (what's in it|what it has now|its contents|the old contents) and write {X} (there|to it|in there)
    (replace|overwrite) (everything|all the text|whatever is) (in it|in there|in that file) (with|by) {X}
    (i want|i'd like) (it|that file) to (be|contain|hold|say) (just|only|nothing but) {X}
    (its|the) (new|entire|complete) content (should be|is to be|must be|will be) {X}
    (start it over|start that file over|begin that file afresh|rewrite it from scratch|redo the whole file) with {X}
    (wipe|clear|empty) (it|that file) and (put|write) {X} (there|in there|in it)
    from (now on|here on), (it|that file) (should have|should contain|is to hold) (just|only|nothing but) {X}
    all (it|that file) (should|needs to|has to) (say|contain|hold) is {X}
    can (the whole file|that whole file|all of it) be {X}?
    (rewrite|redo|fill) (it|that file|the file) so (it|that it) (only has|only says|contains nothing but|consists of just) {X}
    nothing (in it|in there|in that file) is (right|needed|worth keeping), (put|write|make it) {X} instead
    (i don't need what's in there|the old text can go|never mind what it has now), (overwrite it with|write|make it) {X}
    (save|store) {X} (in it|in that file|under the same name), (replacing|overwriting) (everything|what's there|the old contents)
    new contents for (it|that file): {X}
    would you (swap|trade|exchange) its (whole|entire) contents for {X}?
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
    (we|i) (don't need|no longer need|don't want|won't need) (that|this) file( anymore| any longer|), (delete it|remove it|rm it|get rid of it)
    (get rid of|throw away|ditch|bin|erase) (that|the|this) file
    (that|this) file (can go|has to go|should go|should be deleted|must be removed|is not needed anymore)
    (i want|i'd like|i need) (that|this) (file|whole file) (gone|deleted|removed|off the disk)
    (can|could|would) you (delete|remove|rm) (that|the|this) file?
    (wipe|take|clear) (it|that file) off (the disk|my disk|the drive)
    (that file|it) is (obsolete|useless|garbage|a leftover), (rm it|delete the file|remove the file|delete it from disk)
    (now|ok,|great, now|then) (delete|remove|rm|get rid of) (that|the) file
    (use rm on|run rm on|do an rm on) (it|that file)
    @(throw away|get rid of) (that file|the file|this file) (altogether|completely|for good)
    @i (don't|do not) need (that file|the file) (anymore|any longer), delete it
    @remove (that file|this file) (altogether|entirely|for good)
"""
IT_PYTHON = """
    (run|execute|start) (it|that|that file|the script) (with python|using python|in python)
    (now|ok,) run (it|that script) with python
    (run|execute|launch|start|try) (it|that file|the script) (through python|via python|with the python interpreter)
    (feed|pass|give|hand) (it|that file|the script) to (python|the python interpreter)
    what (happens|do we get|does it print) (when|if) you run (it|that file|that script) (with|in) python?
    (i want|i'd like|i need) (it|that file|that script) (run|executed|started) (with|by|in) python
    it's a python script, (run it|execute it|start it|give it a run|launch it)
    (let's see|show me|tell me) (what it does|if it works|how it runs) (when you run it with python|when python runs it|in python)
    (can|could) you (run|execute|start) (it|that file|the script) (with|using) python?
    (python it|python on that file|fire up python on it|let python run it|have python execute it)
    does (it|that script) (run|work)? (try it with python|run it in python|start it with python)
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
    {n} is (what i want to see|what i want to read|the one i need, open it|the right one, show me its contents|the one, read it)
    what does {n} (say|contain|look like|have in it)?
    i('m interested in| think it's| guess it's| mean) {n}, (open it|show it to me|read it|let me see what's in it)
    (contents|the contents|the full text|the text) of {n}(, please| please|)
    (dump|output|paste|load|fetch|bring up|inspect|give me) {n}
    (it must be|it's probably|it should be|that would be|my bet is) {n}, (open it|read it|show me what it says)
    (would you mind|mind) (opening|reading|showing me|displaying) {n}?
    (can|could|would) you (open|show me|read|display|print) {n}?
    (start|begin) with {n}, (what's in it|what does it say|what does it contain)?
    (take|pick|choose|grab|go for) {n} and (open it|read it|show it to me|tell me what it says)
    from (that list|those|these|your list), (open|read|show me|print) {n}
    i (need|have|would love|would like) to (know what's in|read through|look into|go through|check) {n}
    {n} (looks promising|sounds right|seems to be it|could be it), (have a look inside|read that|let me see it|open that one)
    (only|just) (open|show me|read|print) {n}
    (take a look|have a look|take a peek|look) (inside|into) {n}
    not the others, (just|only) (show me|open|read) {n}
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
    does {Q} (occur|appear|show up|turn up) (anywhere |)in {n}?
    where in {n} (is|can i find|do i find|would i find) {Q}?
    in {n}, (search for|look for|find|grep for) {Q}
    (see|check|find out|tell me) (if|whether) {n} (has|contains|mentions|uses) {Q}
    i('m looking for| need to find| want to find|'m after) {Q} in {n}
    (any|are there any) (matches for|hits for|occurrences of|traces of) {Q} in {n}?
    (take|pick|grab) {n} and (search it for|look in it for|grep it for|check it for) {Q}
    (which|what) lines (of|in) {n} (contain|match|mention|have) {Q}?
    (go through|look through|comb through|run a search over) {n} for {Q}
    (list|show me|give me|print) the lines (with|that contain|matching) {Q} (in|from) {n}
    @(hunt for|locate|grep for|check for) {Q} in {n}
    @is {Q} (in|used in|mentioned in|anywhere in) {n}?
    @(does {n} have|does {n} say|has {n} got) {Q}?
    @(go through|look through) {n} for {Q}
"""
NTH_EDIT = """
    (change|turn) {A} (to|into) {B} in {n}
    (rename|update) {A} to {B} in {n}
    replace {A} (with|by) {B} in {n}
    in {n}, (change|rename) {A} to {B}
    in {n}, replace {A} with {B}
    (swap|exchange) {A} for {B} in {n}
    {A} (should be|must be|has to be|needs to be|should say) {B} in {n}
    (put|write|use) {B} (instead of|in place of|rather than) {A} in {n}
    in {n}, {A} (should be|must be|has to become|needs to be) {B}
    {n} should (say|have|use|contain) {B} (instead of|rather than|and not) {A}
    i('d like| want| need) {A} (changed to|replaced with|replaced by|turned into) {B} in {n}
    (edit|modify|adjust|update|fix) {n} so that {A} (becomes|is replaced by|turns into) {B}
    can {n} (say|have|use) {B} (instead of|rather than) {A}?
    (take|pick|open|grab) {n} and (change {A} to|turn {A} into|rename {A} to|correct {A} to) {B}
    where {n} (says|has) {A}, (put|write|i want|it should have) {B}
    {n} has {A}, (make that|change that to|that should be|but i want) {B}
    (one change|one fix|a small edit|quick edit) in {n}: {A} (becomes|should be|to) {B}
    (could|would) you (change|rename|correct) {A} to {B} in {n}?
    make {A} {B} in {n}
    @(alter|convert) {A} (to|into) {B} in {n}
    @(switch|correct) {A} to {B} in {n}
    @substitute {B} for {A} in {n}
    @in {n}, (swap|exchange) {A} for {B}
    @{A} (should be|must become|has to be) {B} in {n}
    @i want {A} (changed to|replaced by) {B} in {n}
    @{n} should say {B} (instead of|rather than) {A}
"""
NTH_DELETE = """
    (remove|delete|drop) the text {A} from {n}
    (cut|take|throw|strip) the text {A} out of {n}
    (get rid of|take out|erase|scrap) the text {A} in {n}
    in {n}, (delete|remove|drop|get rid of) (the text|the bit|the part) {A}
    the (text|part|bit) {A} (has to go from|can go from|should be removed from|must be deleted from) {n}
    {n} (shouldn't|should not|must not) (have|contain) the (text|part) {A}( anymore| any longer|), (remove it|take that out|delete that text)
    (edit|change) {n} so that the text {A} is (gone|removed|no longer there)
    (i want|i'd like|i need) the (text|part|bit) {A} (gone|removed|deleted) from {n}
    can the text {A} be (removed|deleted|dropped) from {n}?
    @(erase|strip|cut|clear) the text {A} from {n}
    @the text {A} (should go|has to go|must go) from {n}
    @i don't want the text {A} in {n} (anymore|any longer)
"""
