# Reads `ctest -V` output: counts cmocka's cases where a test program has them, the program else.
# Prints the output of failed tests, the reasons of skips and the closing line; exits 1 if anything
# failed.
function cases_of(text, counts) {
    split(text, word, " ")
    counts[id] += word[4]
    has_cases[id] = 1
}
match($0, /^[0-9]+: /) {
    id = substr($0, 1, RLENGTH - 2)
    text = substr($0, RLENGTH + 1)
    output[id] = output[id] text "\n"
    if (text ~ /^\[  PASSED  \] [0-9]+ test/) cases_of(text, passed)
    if (text ~ /^\[  FAILED  \] [0-9]+ test/) cases_of(text, failed)
    if (text ~ /^\[  SKIPPED \] [0-9]+ test/) cases_of(text, skipped)
    if (tolower(text) ~ /^ *skip(ped)?:/) reasons = reasons text "\n"
    next
}
match($0, /Test +#[0-9]+: /) {
    id = substr($0, RSTART, RLENGTH)
    gsub(/[^0-9]/, "", id)
    name = substr($0, RSTART + RLENGTH)
    sub(/ .*/, "", name)
    tests++
    if ($0 ~ / Passed /) {
        if (!has_cases[id]) passed[id]++
    } else if ($0 ~ /Skipped/) {
        skipped[id]++
    } else {
        if (!failed[id]) failed[id]++
        bad = bad "---- " name "\n" output[id]
    }
}
END {
    for (i in passed) p += passed[i]
    for (i in failed) f += failed[i]
    for (i in skipped) s += skipped[i]
    if (tests == 0) f++
    if (bad) printf "%s", bad
    if (reasons) printf "skipped, because:\n%s", reasons
    printf "%d passed, %d failed, %d skipped\n", p, f, s
    exit (f > 0)
}
