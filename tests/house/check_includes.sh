#!/bin/sh
# Aim: includes go only downward (house rule 1). Method: every #include of a project file, in every
# floor, the command line and the examples, against the table below. Prints each offence as
# FILE:LINE: message; exit 1 if there is one.
# usage: check_includes.sh [ROOT]
set -eu
cd "${1:-.}"

sources() {
    find base manifest kernels provenance runtime cli examples python -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) 2>/dev/null | sort
}

folders=' base manifest kernels provenance runtime cli examples tests benchmarks '

# FILE LINE INCLUDED, one a line, for "…" includes and for <FLOOR/…>.
includes() {
    sources | while IFS= read -r file; do
        awk -v file="$file" -v folders="$folders" '
            /^[ \t]*#[ \t]*include[ \t]*["<]/ {
                name = $0
                sub(/^[^"<]*/, "", name)
                system_header = name ~ /^</
                name = substr(name, 2)
                sub(/[">].*/, "", name)
                top = name
                sub(/\/.*/, "", top)
                if (!system_header || index(folders, " " top " ")) print file, FNR, name
            }' "$file"
    done
}

includes | awk '
    BEGIN {
        below["base"] = " base "
        below["manifest"] = " base manifest "
        below["kernels"] = " base kernels "
        below["provenance"] = " base manifest provenance "
        below["runtime"] = " base manifest kernels provenance runtime "
    }
    function offence(text) { print file ":" line ": " text; bad = 1 }
    function base_name(path) { sub(/.*\//, "", path); return path }
    function folder(path) { if (path !~ /\//) return ""; sub(/\/[^\/]*$/, "", path); return path }
    {
        file = $1; line = $2; name = $3
        floor = file; sub(/\/.*/, "", floor)
        target = name; sub(/\/.*/, "", target)
        own = folder(file)
        if (name ~ /(^|\/)\.\.\// || name ~ /^\//) {
            offence("\"" name "\" is named by a relative or absolute path; name it from the root")
        } else if (name !~ /\//) {
            # A file of the same folder.
        } else if (floor in below) {
            if (index(below[floor], " " target " ") == 0)
                offence("\"" name "\" lies above " floor "/ (allowed:" below[floor] ")")
            else if (base_name(file) ~ /^plumb.*\.h$/ && base_name(name) !~ /^plumb/)
                offence("a public header includes \"" name "\", which is not public")
        } else if (floor == "cli" && target == "cli") {
            # A room of the same house.
        } else if (folder(name) != own && base_name(name) !~ /^plumb[^\/]*\.h$/) {
            offence("\"" name "\" is neither a public header (plumb*.h) nor of " own "/")
        } else if (folder(name) != own && !(target in below)) {
            offence("\"" name "\" is of no floor")
        }
    }
    END { exit bad }'
