/* Tile stores. A header that is accepted is written again to the same bytes. Whatever the file
 * beside a manifest holds, a proof that is handed out holds against the signed root: a damaged
 * store can cost time, never truth. The input is laid over a good store. */
#include "fuzz_kit.h"

#include "base/file.h"
#include "manifest/plumb_proof.h"
#include "manifest/proofs/tiles.h"

#include <string.h>

enum { RECORDS = 300 };

static plumb__bytes good; /* the store that the prover made */

static void open_prover(plumb_prover **prover)
{
    plumb_prover_options options;
    plumb_prover_options_default(&options);
    options.trust = fuzz_trust();
    fuzz_works(plumb_prover_open(fuzz_path("t.plumb.json"), &options, prover, err));
}

static void make_manifest(void)
{
    plumb_sign_options options;
    plumb__bytes records = {0};
    plumb_prover *prover = NULL;
    if (good.size > 0) return;
    for (int i = 0; i < RECORDS; i++) {
        plumb__bytes_appendf(&records, "{\"id\":\"r%d\",\"private\":\"%064d\"}\n", i, i);
    }
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    fuzz_write("t.jsonl", records.data, records.size);
    fuzz_works(plumb_manifest_sign(fuzz_path("t.jsonl"), fuzz_key(1), &options, err));
    open_prover(&prover);
    plumb_prover_free(prover);
    fuzz_works(plumb__file_read(fuzz_path("t.tiles"), 1 << 20, &good, err));
    plumb__bytes_free(&records);
}

static void check_header(const uint8_t *data, size_t n)
{
    plumb__tiles_header header;
    plumb__tiles_layout layout;
    uint8_t again[PLUMB__TILES_HEADER_BYTES];
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__tiles_header_parse("t", data, n, n, &header, &err), &err)) return;
    plumb__tiles_lay_out(header.count, &layout);
    fuzz_assert(layout.file_bytes == n);
    plumb__tiles_header_dump(&header, again);
    fuzz_assert(memcmp(again, data, sizeof again) == 0);
}

/* The record asked for is proved, whatever had to be made anew for it. */
static void check_proof(const char *id)
{
    plumb_proof_options options;
    plumb_prover *prover = NULL;
    plumb_proof *proof = NULL;
    plumb_proof_info info;
    char *text = NULL;
    size_t n = 0;
    uint64_t index = 0;
    open_prover(&prover);
    fuzz_works(plumb_prover_prove(prover, id, &text, &n, &index, err));
    fuzz_assert(text != NULL);
    plumb_proof_options_default(&options);
    options.trust = fuzz_trust();
    fuzz_works(plumb_proof_open(fuzz_file(0, text, n), &options, &proof, err));
    fuzz_reached();
    plumb_proof_describe(proof, &info);
    fuzz_assert(info.index == index && strstr(info.line, id) != NULL);
    plumb_proof_free(proof);
    plumb_text_free(text);
    plumb_prover_free(prover);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__bytes store = {0};
    (void)fuzz_trust();
    make_manifest();
    check_header(data, n);
    if (n < 4) return 0;
    /* Two bytes say where, one which record is asked for, one whether the rest is cut off. */
    const size_t at = (size_t)(plumb__load_u16(data) % good.size), length = n - 4;
    char id[16];
    snprintf(id, sizeof id, "r%u", data[2]);
    plumb__bytes_append(&store, good.data, good.size);
    for (size_t i = 0; i < length && at + i < store.size; i++) {
        store.data[at + i] = data[4 + i];
    }
    if (data[3] == 0) store.size = at;
    check_header(store.data, store.size);
    fuzz_write("t.tiles", store.data, store.size);
    check_proof(id);
    plumb__bytes_free(&store);
    return 0;
}
