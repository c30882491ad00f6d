/* Importers: the first byte chooses the format; for tables a mapping stands before the first LF,
 * for Croissant the metadata, whose file is called d.csv. What is imported can be signed, with the
 * taxonomy that the import wrote, and has as many records as the import says; what is refused
 * leaves no file behind. */
#include "fuzz_kit.h"

#include "base/file.h"
#include "manifest/plumb_import.h"

#include <string.h>
#include <unistd.h>

static void count_refused(void *ctx, const char *message)
{
    fuzz_assert(message[0] != '\0');
    ++*(uint64_t *)ctx;
}

static void check_imported(const plumb_import_summary *summary)
{
    plumb_sign_options options;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    char taxonomy[512];
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    strcpy(taxonomy, fuzz_path("i.taxonomy.json"));
    options.taxonomy_path = taxonomy;
    if (summary->records == 0) return;
    plumb_error err = {0};
    if (plumb_manifest_sign(fuzz_path("i.jsonl"), fuzz_key(1), &options, &err) != PLUMB_OK) {
        /* A mapping may name depths: they are for the signer's taxonomy to define. */
        if (strstr(err.message, "there is no depth named") != NULL) return;
        fuzz_failed(__FILE__, __LINE__, err.message);
    }
    fuzz_works(plumb_manifest_open(fuzz_path("i.plumb.json"), fuzz_trust(), NULL, &m, err));
    plumb_manifest_describe(m, &info);
    fuzz_reached();
    fuzz_assert(info.records == summary->records);
    plumb_manifest_free(m);
}

static void clean(void)
{
    static const char *const left[] = {"i.jsonl", "i.plumb.json", "i.checkpoint",
                                       "i.taxonomy.json"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        (void)unlink(fuzz_path(left[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"i.csv", "i.json", "i.json", "i.json"};
    plumb_import_options options;
    plumb_import_summary summary = {0};
    plumb_error err = {0};
    uint64_t refused = 0;
    char paths[4][512];
    if (n < 2) return 0;
    plumb_import_options_default(&options);
    options.format = (plumb_import_format)(data[0] % 4);
    options.skip_errors = (data[0] & 16) != 0;
    options.consensus = (plumb_import_consensus)((data[0] >> 2) % 3);
    options.quality_from = (plumb_import_score)((data[0] >> 5) % 3);
    options.keep_annotators = true;
    options.refused = count_refused;
    options.ctx = &refused;
    const uint8_t *end = memchr(data + 1, '\n', n - 1), *body = data + 1;
    if (options.format == PLUMB_IMPORT_CSV) {
        if (end == NULL) return 0;
        fuzz_write("i.mapping.json", data + 1, (size_t)(end - data) - 1);
        options.mapping_path = strcpy(paths[0], fuzz_path("i.mapping.json"));
        body = end + 1;
    }
    const char *name = names[options.format];
    size_t length = n - (size_t)(body - data);
    if (options.format == PLUMB_IMPORT_CROISSANT) {
        if (end == NULL) return 0;
        fuzz_write("d.csv", end + 1, n - (size_t)(end - data) - 1);
        length = (size_t)(end - body);
    }
    fuzz_write(name, body, length);
    options.input_path = strcpy(paths[1], fuzz_path(name));
    options.records_path = strcpy(paths[2], fuzz_path("i.jsonl"));
    options.taxonomy_path = strcpy(paths[3], fuzz_path("i.taxonomy.json"));
    (void)fuzz_trust();
    clean();
    if (fuzz_accepted(plumb_import(&options, &summary, &err), &err)) {
        fuzz_assert(summary.refused == refused);
        check_imported(&summary);
    } else {
        fuzz_assert(!plumb__path_exists(options.records_path));
    }
    return 0;
}
