/* Private files. The input is one; the public records beside it state the digest of every line
 * whose id and salt can be read, so that what is wrong with the file is wrong in itself. What can
 * be signed opens; without its last line it opens too, and says less; with one bit of it changed it
 * does not open. */
#include "fuzz_kit.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "manifest/plumb_manifest.h"

#include <string.h>
#include <unistd.h>

/* The public record of a private line, when the line is good enough to have one. */
static bool add_public(const uint8_t *line, size_t n, plumb__bytes *out)
{
    uint8_t salt[16];
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hasher h;
    json_t *value = NULL;
    if (plumb__json_parse("l", line, n, &value, NULL) != PLUMB_OK) return false;
    const char *text = json_string_value(json_object_get(value, "salt"));
    json_t *id = json_object_get(value, "id");
    const bool good = json_is_string(id) && text != NULL && strlen(text) == 32 &&
                      plumb__hex_decode(text, 32, salt);
    if (good) {
        plumb__hash_init(&h, PLUMB__SHA256);
        plumb__hash_update(&h, salt, sizeof salt);
        plumb__hash_update(&h, line, n);
        const plumb__hash digest = plumb__hash_final(&h);
        plumb__hash_hex(&digest, hex);
        plumb__bytes_append_text(out, "{\"id\":");
        fuzz_works(plumb__json_dump(id, out, err));
        plumb__bytes_appendf(out, ",\"private\":\"%s\"}\n", hex);
    }
    json_decref(value);
    return good;
}

static plumb_status open_it(plumb_manifest **m)
{
    plumb_error err = {0};
    const plumb_status status =
        plumb_manifest_open(fuzz_path("p.plumb.json"), fuzz_trust(), NULL, m, &err);
    if (!fuzz_accepted(status, &err)) fuzz_assert(*m == NULL);
    return status;
}

static void check_opens(void)
{
    plumb_manifest *m = NULL;
    fuzz_assert(open_it(&m) == PLUMB_OK);
    plumb_manifest_free(m);
}

static void check_signed(const uint8_t *data, size_t n)
{
    plumb_manifest *m = NULL;
    check_opens();
    const uint8_t *before = n > 1 ? memrchr(data, '\n', n - 1) : NULL;
    fuzz_write("p.private.jsonl", data, before != NULL ? (size_t)(before - data) + 1 : 0);
    check_opens();
    fuzz_reached();
    plumb__bytes changed = {0};
    plumb__bytes_append(&changed, data, n);
    changed.data[n / 2] ^= 1;
    fuzz_write("p.private.jsonl", changed.data, n);
    fuzz_assert(open_it(&m) != PLUMB_OK);
    plumb__bytes_free(&changed);
}

static plumb_status sign_it(void)
{
    plumb_sign_options options;
    plumb_error err = {0};
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    (void)unlink(fuzz_path("p.plumb.json"));
    (void)unlink(fuzz_path("p.checkpoint"));
    const plumb_status status =
        plumb_manifest_sign(fuzz_path("p.jsonl"), fuzz_key(1), &options, &err);
    (void)fuzz_accepted(status, &err);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__bytes records = {0};
    for (size_t at = 0; at < n;) {
        const uint8_t *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        (void)add_public(data + at, length, &records);
        at += length + 1;
    }
    if (records.size > 0) {
        (void)fuzz_trust();
        fuzz_write("p.jsonl", records.data, records.size);
        fuzz_write("p.private.jsonl", data, n);
        if (sign_it() == PLUMB_OK) check_signed(data, n);
    }
    plumb__bytes_free(&records);
    return 0;
}
