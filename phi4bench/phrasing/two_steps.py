# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""Requests of two steps, by the tools of the first and the second. Data only."""

from __future__ import annotations

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
