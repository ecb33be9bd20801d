# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say to have a call done again: elsewhere, otherwise, once more, or undone. Data only."""

from __future__ import annotations

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
