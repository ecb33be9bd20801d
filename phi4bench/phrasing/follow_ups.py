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
SAME_PATH = """
    (same for|do the same for|and the same for|likewise for|repeat that for|and also for|now the same for|now for|and for|same thing for|same with|do that for|once more for) {P}
    (do that|do the same|repeat that|same thing|the same) (for|with) {P} (too|as well|also|now)
    (and|what about|how about|now|and now) {P}?
    {P} (too|as well|next|also)
    i (also need that|need the same|want the same) for {P}
    (i meant|sorry, i meant|no, i meant|oops, it's|wrong file, i meant|not that one,) {P}
    {P} (needs the same|needs that too|should get the same treatment|wants the same|is next|comes next)
    (next up|next one|one more|another one|next file|the next one): {P}
    (apply that|apply the same|extend that) to {P} (too|as well|now)
    (while you're at it|if that worked|since that went well|if you don't mind|in the same way), (also do|do the same for|do that for|the same for) {P}
    (can|could|would) you (do the same for|do that for|do the same with|repeat that for) {P}?
    (is the same possible|can the same be done|could that be done) for {P}( too| as well|)?
    (that's the wrong file|that was the wrong file|i gave you the wrong file|i picked the wrong file), (it's|it should have been|i wanted|i was thinking of|take) {P}
    (actually|wait, no|hang on|hmm, no), (it should be|make that|it was supposed to be|i wanted|that should have been) {P}
    not that (file but|one but|file, use|file, take) {P}
    (i mixed up the files|i got the name wrong|i confused two files|my mistake), (i wanted|the one i want is|it's really) {P}
    (let's do|i'd like that for|i want that for|i'll need that for|you can do the same with|let's repeat that for) {P} (too|as well|next|now)
    (on to|moving on to|let's move on to|let's continue with|continue with|go on with|proceed with) {P}
    (ditto|same again|same procedure|same deal|same story|same request) for {P}
    what i (meant|really wanted|had in mind) (was|is) {P}
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
    (is it|is that|does it occur|does that appear|does it show up) in {Z} (too|as well)?
    (any|are there any) (hits|matches|occurrences) in {Z} (too|as well)?
    (widen|extend|expand) (the search|that|it) to {Z}
    (can|could|would) you (do the same|search|look|run the same search|look for that) in {Z}?
    (i also want|i also need|i'd like|let's get) (the matches|the hits|the results) (from|in) {Z}
    (i also want|i also need|i'd like) the same search in {Z}
    (next|next place|next up|one more place|another place to look): {Z}
    (that's|that was) the wrong place, (search|look|try|i wanted|it should be|use) {Z}
    (maybe|perhaps|possibly) it's in {Z}, (look there|search there|try that|check there too)
    not there, {Z}
    (have a look|take a look|go looking|run it|run that search|grep) in {Z} (too|as well|now|instead)
    (what do you find|what do you get|what comes up|what turns up) in {Z}?
    (actually|wait, no|hang on), (it should be|make that|i wanted|search|it was supposed to be) {Z}
    {Z} (needs to be searched|should be searched|has to be searched|is worth a search) (too|as well)
    (on to|moving on to|continue with|let's go on with|ditto for|same procedure for) {Z}
    (if it's not there|since that's done|while you're at it|and to be sure), (search|look in|check|try) {Z} (too|as well)
"""
SAME_PATTERN = """
    (now|and|also|then) (search for|look for|find|grep for) {Q} (there|in the same place|in there)
    (and|what about|how about) {Q} (there|in the same place|in the same folder)?
    (same for|the same for|same search for|the same with) {Q}
    (search for|look for|find) {Q} (there|there too|there instead|in the same place)
    (i meant|sorry, i meant|no, the pattern is|make that) {Q}
    (any|is there any|does it have) {Q} (there|in there|in the same place) (too|as well)?
    does {Q} (appear there|occur there|show up in there|occur in the same place) (too|as well)?
    i('m also looking for| also need| also want to find| need to find| was really after) {Q} (there|in there|in the same place)
    (next|next up|next one|one more|another one|new pattern): {Q}
    (repeat|redo|rerun|do) (that|the search|that search|the same search) (with|for) {Q}
    (can|could|would) you (look for|search for|find|grep for) {Q} (there|in there|in the same place|in the same spot)( too| as well|)?
    where (in there|in that same place|in that folder) is {Q}?
    (that was the wrong pattern|i got the pattern wrong|i mistyped the pattern|wrong word), (it's|it should be|search for|i wanted|look for) {Q}
    (actually|wait, no|hang on|hmm, no), (it's|look for|search for|i wanted|it should be) {Q}
    (what about|how about|and) (hits for|matches for|occurrences of|results for) {Q} (there|in there|in the same place)?
    (same place|same spot|same search), but (with|for|now for|look for) {Q}
    (see|check|find out|tell me) (if|whether) {Q} (is in there|is there|occurs there|shows up there) (too|as well)
    (nothing useful|not what i was after|not what i need|not quite it), (try|look for|search for) {Q}
    not that(, i need| but|, search for|, look for) {Q}
    {Q} (as well|too|next|instead), (same place|in the same place|same spot)
    (while you're there|while you're at it|if you're still in there), (look for|search for|find) {Q} (too|as well)
"""
SAME_GLOB = """
    (same for|and|what about|how about|now|and for|also) {G}?
    (now|and|also) (list|find|show me|match) {G}
    (i meant|sorry, i meant|no, make that|use) {G}
    use {G} (instead|this time)
    (next|next up|next one|one more|another one|new pattern): {G}
    (can|could|would) you (list|find|show me|match|look for) {G} (too|as well|instead)?
    (repeat|redo|do) (that|the same|the search) (with|for|but with) {G}
    (anything|are there any files|what files are there|what do you find) (for|matching) {G}?
    (i also need|i also want|i'd also like|i'm also looking for|i need to see|i was really after) (the files matching |everything matching |){G}
    (that was the wrong pattern|i got the pattern wrong|wrong pattern|not quite it), (it's|it should be|i wanted|try|use) {G}
    (actually|wait, no|hang on|hmm, no), (it's|try|make it|i wanted|it should be) {G}
    (what matches|which files match|what would match|what is there that matches) {G}?
    {G} (too|as well|next|instead|this time)
    (while you're at it|if you don't mind|in the same way|and then), (list|find|show me|look for) {G} (too|as well)
    (ditto|same again|same thing|once more|do it) for {G}
"""
SAME_LANGUAGE = """
    (now|and|also) the {L} (files|ones)
    (what about|how about|and) the {L} (files|ones)?
    (same for|do the same for) {L} files
    (list|find|show me|give me|look for) the {L} (files|ones) (too|as well|instead|now)
    (can|could|would) you (list|find|show me|look for) the {L} (files|ones) (too|as well|instead)?
    (are there|do we have|do you see) any {L} files (too|as well)?
    (i also need|i also want|i'd also like|i need to see|i meant|i was really after) the {L} (files|ones)
    and (which|what) {L} files (are there|do we have|can you find)?
    (actually|wait, no|sorry|hang on), (i meant|i wanted|make that|show me) the {L} files
    (ditto|same again|same thing|once more|and then) for the {L} files
    (next|next up|one more|another kind): {L} files
    the {L} (files|ones) (too|as well|next|instead|this time)
    (while you're at it|in the same way|if you don't mind|when you can), (list|find|show me) the {L} (files|ones) (too|as well)
    @(show|list) the {L} (ones|files) (next|as well)
"""
SAME_COMMAND = """
    (now|and now|then|after that|great, now|ok,|good,) (run|execute|try|do) {C}
    (now|and|also|next) {C}
    (i meant|sorry, i meant|no, make that|instead, run) {C}
    (can|could|would) you (run|execute|try) {C} (now|next|too|as well)?
    (next|next up|next command|one more|another one|next step): {C}
    (the next command|the next step|what's left|what i need next|the next one) is {C}
    (i also need|i also want|now i need|i'd like you to run|i want you to run|let's try|let's do) {C}
    (while you're at it|if that worked|now that that's done|with that out of the way|since that's done), (run|execute|try|do) {C}
    (that was the wrong command|i gave you the wrong command|wrong command|i mistyped that), (it's|it should be|i wanted|run|use) {C}
    (actually|wait, no|hang on|hmm, no), (run|try|i wanted|it should be|make it) {C}
    what does {C} (say|print|output|give)( now|)?
    what (do you get from|do we get with|happens with|comes out of) {C}?
    (what about|how about|and what about) {C}?
    {C} (next|now|too|as well|instead)(, please| please|)
    (go on with|continue with|proceed with|move on to|on to|follow that with|follow up with) {C}
    not that, {C}
    @(carry on|go on|continue) with {C}
    @(and finally|lastly|to finish), (run|execute) {C}
"""
AGAIN = """
    (run|do|try|repeat) (it|that|this) (again|once more|one more time|another time|again please)
    (again|once more|one more time|repeat|retry) (please|)
    (try|retry|repeat) (the same command|that command|the last command) (again|please|now)
    (can|could) you (run|do|repeat) that (again|once more|one more time)?
    i (fixed something|changed something|saved the file|updated it), (run it again|try again|retry|once more)
    (rerun|re-run|redo|re-execute) (it|that|that command|the command|the last one)( now| please|)
    (same|the same) (again|command again|thing again|once more|thing one more time)
    (give it|give that|let's give it) (another|one more) (try|go|run|shot)
    (one more|another|a second) (run|go|try|attempt)(, please| please|)
    i (need|want|would like) (you to run that|it run|that command run) (again|once more|a second time)
    what (does it say|do you get|happens|is the output) (if|when) you run (it|that) (again|once more)?
    (maybe|perhaps) (it was a fluke|that was a hiccup|it's fixed now|the result has changed), (run it again|rerun it|repeat that)
    (does it work|is it better|is it any different|has anything changed) now? (run it again|rerun that|try once more)
    (ok|alright|right), (i made a change|it should work now|i've fixed it|i think it's ready), (run that again|rerun it|have another go|repeat the command)
    (let's|let us) (run|do|try|repeat) (it|that|the command) (again|once more|one more time)
    (i wasn't looking|i missed the output|i didn't catch that|i closed the window), (run it again|rerun that|do it again)
    (execute|launch|start) (it|that|the same command|that command) (again|once more|a second time)
    (would you mind|mind) (running|repeating|doing|rerunning) (it|that) (again|once more|one more time)?
"""
AGAIN_FLAG = """
    (try again|again|run it again|once more|same|do that again|rerun it|retry|now|repeat that|run that) with {F}
    (add|append|also pass|use|include) {F} (and run it again|and try again|and rerun|and repeat it|this time)
    the same (command |)with {F} (at the end|added|)
    run it again, but with {F}
    (give it|pass it|hand it|let it have) {F} (this time|and run it again|and repeat)
    what (happens|do you get|does it say|is the output) (with|if you add|if you pass|when you add) {F}?
    (can|could|would) you (rerun|repeat|redo|run) (it|that) with {F}( this time| added|)?
    i (forgot|left out|missed|should have added|meant to add) {F}, (run it again with that|rerun it with that|add it and repeat|once more with it)
    (this time|for this run|second try), (add|use|pass|include) {F}
    {F} (was missing|is missing|should be on there), (add it and run it again|rerun it with that|once more with it)
    (it needs|that needs|it should have|that command needs|it wants) {F}, (run it again|rerun it|try again|repeat it)
    (how about|what about|and) with {F}?
    (same thing|same command|same again|one more run|another run|once again), (but with|plus|now with|just add) {F}
    i('d like| want| need) (it|that|that command|the same) (again |rerun |repeated |once more |)with {F}
    (let's try|let's run|let's do|let's repeat) (it|that) (again |once more |)with {F}
    (tack on|stick on|put in|throw in|attach) {F} (and rerun it|and run it again|and repeat it|and try that again)
"""
UNDO = """
    (undo|revert|roll back|take back) (that|it|this|the change|that change|that edit|the edit|your last change|the last change)
    (undo|revert) (that|it) (please|right away|now)
    please undo (that|it) (right away|now)
    (put|change|turn|switch|set) (it|that) back
    (actually|no|hm|oops|wait), (undo that|revert that|put it back|change it back|take that back|i want the old one back)
    (that was wrong|that was a mistake|that broke something|that's not right|i changed my mind), (undo it|revert it|put it back|change it back)
    (can|could) you (undo|revert|roll back) (that|it|the change)?
    (go|change) back to (what it was|the old text|how it was|the old value)
    i (want|need) the (old|previous) (text|value|one) back
    (restore|bring back|reinstate|get back) (the old text|the previous text|the old value|what was there before|the original text)
    (i liked|i preferred|i'd rather have|i'd rather keep|let's keep) (the old one|the old text|it the way it was|what was there before), (put it back|change it back|revert that)
    (it was|that was) (better|fine|right|ok|correct) (before|the way it was|as it was), (put it back|undo your change|revert it|change it back)
    (that|this) (edit|change) (wasn't right|was wrong|was a mistake|was a bad idea|shouldn't have been made), (take it back|reverse it|undo it|back it out)
    (reverse|cancel|back out) (that edit|that change|the change|the edit|your edit|your last edit)
    (forget|scrap|scratch|drop) (that|the|your last) (change|edit), (put the old text back|i want it as it was|restore what was there|back to the old text)
    make it (like|the way|exactly like|just as) it was (before|originally|before your edit|before the change)
    i (didn't mean|never meant|didn't want) (that|to change that|that change), (undo it|put it back|revert it|change it back)
    (can|could) (we|i) (have|get) (the old text|the old value|the previous text|the original) back?
    (would you mind|mind) (undoing|reverting|reversing) (that|the change|that edit|your last change)?
    (as you were|back to square one|back to before|one step back|ctrl-z|ctrl+z|undo)(, please| please|)
    (is it possible|would it be possible|is there a way) to (undo|revert|reverse) (that|the change|that edit)?
    (no good|that didn't help|that didn't work|tests fail now|it's worse now|now it fails), (change it back|back to the old text|undo the edit|restore what was there)
    (i was wrong|on second thought|come to think of it|never mind|forget it|my bad), (change that back|put it back how it was|undo the last edit|restore the old text)
    (that|it) (should|needs to|has to|must) (be|go) back to (how it was|what it was|the way it was)( before|)
    (swap|flip|set|turn) (it|that) back (to the old text|to the old value|to what it was|to how it was)
    (do|make) the (opposite|reverse|inverse) (change|edit)( now|)
    what (you|we) (just |)changed (needs to be undone|has to be reverted|should be put back)
"""

TWO_STEPS = {
    "grep>read": """
        (find|see|look up|search for) where {S} is (defined|declared|used|implemented) and (open|show me|read|print) (that file|the file)
        (open|show me|read) the file where {S} is defined
        (open|show me|read) the file (that defines|that contains|that mentions) {S} (, find it first|, wherever it is)
        (open|show me|read) the file (that contains|that mentions) {S} somewhere
        (search|grep) (the project|the code|everything) for {S} and (open|read|show me) (the file it is in|the file you find)
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
        change {A} (to|into) {B} in {N}, (find out where it is|which is somewhere in the project|wherever that is)
        turn {A} into {B} in {N}, (find out where it is|which is somewhere in the project|wherever that is)
    """,
    "read>edit": """
        (read|open|look at|check|show me) {P} and (then |)(change {A} to|replace {A} with|rename {A} to|turn {A} into) {B} (there|in it|)
        (first |)(read|open|look at) {P}, then (change {A} to|replace {A} with|rename {A} to) {B}
        (change {A} to|replace {A} with) {B} in {P}, but (read it first|look at it before you do|open it first)
    """,
    "write>bash": """
        (create|write|make) {P} with {X} and then run {C}
        (save|write) {X} (to|in|into) {P}, then (run|execute) {C}
        put {X} (in|into) {P}, then (run|execute) {C}
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
        (save|write) {X} (to|into) {P}, then (show me the file|read it back|open it|display the file)
        put {X} into {P}, then (show me the file|read it back|open it|display the file)
    """,
    "edit>read": """
        (change|rename) {A} to {B} in {P} and (then show me the file|then read it back|then open it|show me the result)
        replace {A} with {B} in {P}, then (show me the file|read it back|open it|print the file)
    """,
    "read>write": """
        (read|open|look at|check) {P} and then (write|save) {X} (to|into) {O}
        (read|open|look at|check) {P} and then put {X} into {O}
        first (read|show me|open) {P}, (then|after that) create {O} with {X}
    """,
    "bash>glob": """
        (run|execute) {C} and then (list|find|show me) (all|the) files matching {G}
        first (run|execute) {C}, (then|after that) (list|find) everything matching {G}
    """,
}
