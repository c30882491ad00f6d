/* Whole manifests: taxonomy, LF, records. What can be signed opens, says of every record what it
 * says when asked twice, and gives back the very lines; with one byte of the records changed it
 * does not open. */
#include "fuzz_kit.h"

#include "manifest/plumb_manifest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ask(const plumb_manifest *m, uint32_t i)
{
    plumb_record r;
    plumb_explanation why;
    plumb_record_default(&r);
    fuzz_works(plumb_manifest_record(m, i, &r, err));
    fuzz_assert(plumb_manifest_find(m, r.id) == i);
    fuzz_assert(r.weight >= 0.0 && isfinite(r.weight));
    fuzz_assert(isnan(r.quality) || (r.quality >= 0.0 && r.quality <= 1.0));
    fuzz_assert(r.profile_number < plumb_manifest_profile_count(m));
    fuzz_works(plumb_manifest_explain(m, i, &why, err));
    for (int s = -1; s < (int)r.n_segments; s++) {
        for (int d = 0; d <= 4; d++) {
            const double mask = plumb_manifest_mask(m, i, s, d / 4.0, "blocks.0.up");
            fuzz_assert(isfinite(mask) && mask >= 0.0);
        }
    }
}

/* The lines of the open manifest, one behind the other, are the file that was signed. */
static void ask_everything(const plumb_manifest *m, const uint8_t *records, size_t n)
{
    plumb_manifest_info info;
    size_t at = 0;
    plumb_manifest_describe(m, &info);
    for (uint32_t i = 0; i < info.records; i++) {
        char *line = NULL;
        size_t length = 0;
        ask(m, i);
        fuzz_works(plumb_manifest_line(m, i, &line, &length, err));
        fuzz_assert(at + length < n && memcmp(records + at, line, length) == 0);
        fuzz_assert(records[at + length] == '\n');
        at += length + 1;
        plumb_text_free(line);
    }
    fuzz_assert(at == n);
}

static plumb_manifest *open_it(plumb_status *status)
{
    plumb_manifest *m = NULL;
    plumb_error err = {0};
    *status = plumb_manifest_open(fuzz_path("m.plumb.json"), fuzz_trust(), NULL, &m, &err);
    if (!fuzz_accepted(*status, &err)) fuzz_assert(m == NULL);
    return m;
}

static void check_signed(const uint8_t *records, size_t n)
{
    plumb_status status;
    plumb_manifest *m = open_it(&status);
    fuzz_assert(status == PLUMB_OK);
    fuzz_reached();
    ask_everything(m, records, n);
    plumb_manifest_free(m);
    char *changed = fuzz_text(records, n);
    changed[n / 2] ^= 1;
    fuzz_write("m.jsonl", changed, n);
    fuzz_assert(open_it(&status) == NULL && status == PLUMB_ERR_DIGEST);
    free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_sign_options options;
    plumb_error err = {0};
    char taxonomy_path[512];
    const uint8_t *end = n > 0 ? memchr(data, '\n', n) : NULL;
    if (end == NULL) return 0;
    const size_t taxonomy = (size_t)(end - data), records = n - taxonomy - 1;
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    strcpy(taxonomy_path, fuzz_path("taxonomy.json"));
    if (taxonomy > 0) options.taxonomy_path = taxonomy_path;
    (void)fuzz_trust();
    (void)unlink(fuzz_path("m.plumb.json"));
    (void)unlink(fuzz_path("m.checkpoint"));
    fuzz_write("taxonomy.json", data, taxonomy);
    fuzz_write("m.jsonl", end + 1, records);
    if (fuzz_accepted(plumb_manifest_sign(fuzz_path("m.jsonl"), fuzz_key(1), &options, &err),
                      &err)) {
        check_signed(end + 1, records);
    }
    return 0;
}
