/* Withdrawals: the input is payloads, a line each, signed by the vendor and laid beside a fixed
 * manifest. A chain that is accepted names every payload's digest, numbers its statements without a
 * gap, withdraws a record once, and those records only; each payload is canonical. Unsigned, no
 * chain is accepted. */
#include "fuzz_kit.h"

#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_withdrawal.h"
#include "manifest/signing/dsse.h"

#include <string.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define RECORD(id) "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}}\n"

enum { RECORDS = 3 };

static void make_manifest(void)
{
    static const char records[] = RECORD("a") RECORD("b") RECORD("c");
    static bool made;
    plumb_sign_options options;
    if (made) return;
    made = true;
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    fuzz_write("w.jsonl", records, sizeof records - 1);
    fuzz_works(plumb_manifest_sign(fuzz_path("w.jsonl"), fuzz_key(1), &options, err));
}

static void check_payload(const plumb_withdrawal *w, const uint8_t *data, size_t n)
{
    plumb__bytes again = {0};
    json_t *value = NULL;
    const plumb__hash digest = plumb__blake2b(data, n);
    fuzz_assert(memcmp(digest.bytes, w->digest, sizeof w->digest) == 0);
    fuzz_works(plumb__json_parse("w", data, n, &value, err));
    fuzz_works(plumb__json_dump(value, &again, err));
    fuzz_assert(again.size == n && memcmp(again.data, data, n) == 0);
    json_decref(value);
    plumb__bytes_free(&again);
}

static void check_chain(const plumb_manifest *m, const uint8_t *data, size_t n)
{
    bool withdrawn[RECORDS] = {false};
    size_t at = 0;
    int64_t before_s = 0;
    for (uint32_t i = 0; i < plumb_manifest_withdrawal_count(m); i++) {
        plumb_withdrawal w;
        const uint8_t *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        plumb_withdrawal_default(&w);
        fuzz_works(plumb_manifest_withdrawal_at(m, i, &w, err));
        fuzz_assert(w.sequence == i + 1 && w.issued_s >= before_s && w.n_records > 0);
        fuzz_reached();
        check_payload(&w, data + at, length);
        for (uint32_t r = 0; r < w.n_records; r++) {
            fuzz_assert(w.records[r] < RECORDS && !withdrawn[w.records[r]]);
            withdrawn[w.records[r]] = true;
        }
        before_s = w.issued_s;
        at += length + 1;
    }
    fuzz_assert(at >= n);
    for (uint32_t i = 0; i < RECORDS; i++) {
        plumb_record r;
        plumb_record_default(&r);
        fuzz_works(plumb_manifest_record(m, i, &r, err));
        fuzz_assert(r.withdrawn == withdrawn[i]);
    }
}

static bool open_with(const void *chain, size_t n, plumb_manifest **m)
{
    plumb_manifest_options options;
    plumb_error err = {0};
    plumb_manifest_options_default(&options);
    options.at_s = 1900000000;
    fuzz_write("w.withdrawals", chain, n);
    const plumb_status status =
        plumb_manifest_open(fuzz_path("w.plumb.json"), fuzz_trust(), &options, m, &err);
    const bool ok = fuzz_accepted(status, &err);
    fuzz_assert(ok == (*m != NULL));
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__bytes file = {0};
    plumb_manifest *m = NULL;
    if (n == 0) return 0;
    (void)fuzz_trust();
    make_manifest();
    fuzz_assert(!open_with(data, n, &m));
    for (size_t at = 0; at < n;) {
        const uint8_t *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        fuzz_envelope(PLUMB__PAYLOAD_TYPE_INTOTO, data + at, length, 1, &file);
        at += length + 1;
    }
    if (open_with(file.data, file.size, &m)) check_chain(m, data, n);
    plumb_manifest_free(m);
    plumb__bytes_free(&file);
    return 0;
}
