/* Proofs about single records. What parses is written again to the very same bytes. What holds
 * under a trust store is about a record of the one manifest that its key ever signed here, and
 * carries that record's line, or none. */
#include "fuzz_kit.h"

#include "manifest/plumb_proof.h"
#include "manifest/proofs/proof.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define LINE(id) "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}}"

static const char *const lines[] = {LINE("a"), LINE("b"), LINE("c")};

static void make_manifest(void)
{
    static const char records[] = LINE("a") "\n" LINE("b") "\n" LINE("c") "\n";
    static bool made;
    plumb_sign_options options;
    if (made) return;
    made = true;
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    fuzz_write("p.jsonl", records, sizeof records - 1);
    fuzz_works(plumb_manifest_sign(fuzz_path("p.jsonl"), fuzz_key(1), &options, err));
}

static void check_form(const uint8_t *data, size_t n)
{
    plumb__proof *proof = calloc(1, sizeof *proof);
    plumb__bytes again = {0};
    plumb_error err = {0};
    fuzz_assert(proof != NULL);
    if (fuzz_accepted(plumb__proof_parse("p", data, n, proof, &err), &err)) {
        fuzz_works(plumb__proof_dump(proof, &again, err));
        fuzz_assert(again.size == n && memcmp(again.data, data, n) == 0);
        plumb__bytes_free(&again);
        plumb__proof_free(proof);
    }
    free(proof);
}

static void check_holds(const uint8_t *data, size_t n)
{
    plumb_proof_options options;
    plumb_proof *proof = NULL;
    plumb_proof_info info;
    plumb_error err = {0};
    plumb_proof_options_default(&options);
    options.trust = fuzz_trust();
    if (!fuzz_accepted(plumb_proof_open(fuzz_file(0, data, n), &options, &proof, &err), &err)) {
        fuzz_assert(proof == NULL);
        return;
    }
    fuzz_reached();
    plumb_proof_describe(proof, &info);
    fuzz_assert(info.n_signers == 1 && info.records == 3 && info.index < 3);
    fuzz_assert(info.line_bytes == strlen(lines[info.index]));
    fuzz_assert(memcmp(info.line, lines[info.index], info.line_bytes) == 0);
    plumb_proof_free(proof);
}

/* A good proof of the record that the first byte names, so that mutations have one to begin with:
 * the input's other bytes overwrite it from where its second and third say. */
static void check_overwritten(const uint8_t *data, size_t n)
{
    plumb_prover_options options;
    plumb_prover *prover = NULL;
    char *text = NULL;
    size_t length = 0;
    const char id[2] = {(char)('a' + data[0] % 3), '\0'};
    plumb_prover_options_default(&options);
    options.trust = fuzz_trust();
    options.without_record = (data[0] & 0x80) != 0;
    fuzz_works(plumb_prover_open(fuzz_path("p.plumb.json"), &options, &prover, err));
    fuzz_works(plumb_prover_prove(prover, id, &text, &length, NULL, err));
    fuzz_assert(text != NULL);
    check_form((const uint8_t *)text, length);
    const size_t at = ((size_t)data[1] << 8 | data[2]) % length;
    for (size_t i = 3; i < n && at + i - 3 < length; i++) {
        text[at + i - 3] = (char)data[i];
    }
    check_form((const uint8_t *)text, length);
    check_holds((const uint8_t *)text, length);
    plumb_text_free(text);
    plumb_prover_free(prover);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    (void)fuzz_trust();
    make_manifest();
    check_form(data, n);
    check_holds(data, n);
    if (n > 3 && n < 64) check_overwritten(data, n);
    return 0;
}
