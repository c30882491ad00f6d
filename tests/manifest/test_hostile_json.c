/* Aim: what an attacker writes into a records file is refused with the same exact message by who
 * signs it and, where a vendor's key signed it all the same, by who opens it; quickly, whatever its
 * size, and with little memory. Method: each attack is a line of its own behind a good one, given
 * to plumb_manifest_sign, and to plumb_manifest_open under a statement that names its digests and
 * is rightly signed. */
#include "manifest_fixture.h"

#include "base/hash.h"
#include "manifest/proofs/merkle.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/statement.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define CONTENT "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}"
#define RECORD(id) "{\"id\":\"" id "\"," CONTENT "}\n"

/* ---- a statement about any bytes, rightly signed ---- */

static void identify(const char *data, size_t n, plumb__records_identity *out)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    for (size_t at = 0; at < n;) {
        const char *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        const plumb__hash leaf = plumb__merkle_leaf(data + at, length);
        plumb__merkle_add(&tree, &leaf);
        at += length + 1;
    }
    *out = (plumb__records_identity){.bytes = n, .count = tree.count > 0 ? tree.count : 1};
    out->sha256 = plumb__sha256(data, n);
    out->blake2b = plumb__blake2b(data, n);
    out->root = plumb__merkle_root(&tree);
}

static void forge(const fixture *f, const plumb__records_identity *records)
{
    plumb__statement s = {.subject = "bad.jsonl",
                          .vendor = "acme",
                          .dataset = "set",
                          .version = 1,
                          .issued_s = 1,
                          .records = *records};
    plumb__dsse envelope = {.payload_type = PLUMB__PAYLOAD_TYPE_INTOTO};
    plumb__bytes text = {0};
    assert_works(plumb__statement_dump(&s, &envelope.payload, err));
    assert_works(plumb__dsse_sign(&envelope, f->vendor, err));
    assert_works(plumb__dsse_dump(&envelope, &text, err));
    plumb__bytes_append_text(&text, "\n");
    write_bytes(fixture_path(f, "bad.plumb.json"), text.data, text.size);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
}

static plumb_status sign_bad(const fixture *f, plumb_error *err)
{
    const plumb_sign_options options = sign_defaults();
    (void)remove(fixture_path(f, "bad.plumb.json"));
    const plumb_status status =
        plumb_manifest_sign(fixture_path(f, "bad.jsonl"), f->vendor, &options, err);
    assert_int_not_equal(access(fixture_path(f, "bad.plumb.json"), F_OK) == 0, status != PLUMB_OK);
    return status;
}

static plumb_status open_bad(const fixture *f, plumb_error *err)
{
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, "trust.json");
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "bad.plumb.json"), trust, NULL, &m, err);
    assert_true((m != NULL) == (status == PLUMB_OK));
    plumb_manifest_free(m);
    plumb_trust_free(trust);
    return status;
}

/* `message` behind the file's path and ": ". */
static void assert_both_refuse(const fixture *f, const void *data, size_t n,
                               plumb_status expected_status, const char *message)
{
    char expected[1200];
    plumb__records_identity identity;
    snprintf(expected, sizeof expected, "%s/bad.jsonl: %s", f->dir, message);
    write_bytes(fixture_path(f, "bad.jsonl"), data, n);
    assert_fails(sign_bad(f, err), expected_status, expected);
    identify(data, n, &identity);
    forge(f, &identity);
    assert_fails(open_bad(f, err), expected_status, expected);
}

static void assert_line_refused(const fixture *f, const char *line, plumb_status expected_status,
                                const char *message)
{
    plumb__bytes text = {0};
    plumb__bytes_append_text(&text, RECORD("good"));
    plumb__bytes_append_text(&text, line);
    plumb__bytes_append_text(&text, "\n");
    assert_both_refuse(f, text.data, text.size, expected_status, message);
    plumb__bytes_free(&text);
}

/* ---- attacks ---- */

static void broken_json(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"{\"id\":\"x\"," CONTENT ",\"id\":\"y\"}", "column 110: key \"id\" is there twice"},
        {"{\"id\":\"x\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11,\"bytes\":12}}",
         "column 109: key \"bytes\" is there twice"},
        {"{\"id\":\"x\"," CONTENT ",\"agreement\":{\"a\":{\"b\":1,\"\\u0062\":2}}}",
         "column 134: key \"b\" is there twice"},
        {"{\"id\":\"x\"," CONTENT ",\"quality\":NaN}", "column 120: expected a value, found 'N'"},
        {"{\"id\":\"x\"," CONTENT ",\"quality\":Infinity}",
         "column 120: expected a value, found 'I'"},
        {"{\"id\":\"x\"," CONTENT ",\"quality\":-Infinity}",
         "column 121: expected a digit, found 'I'"},
        {"{\"id\":\"x\"," CONTENT ",\"weight\":1e400}",
         "column 119: expected a finite number, found 1e400"},
        {"{\"id\":\"x\"," CONTENT ",\"other\":99999999999999999999}",
         "column 118: expected an integer of at most 64 bits"},
        {"{\"id\":\"x\"," CONTENT ",\"weight\":01}", "column 120: a number must not begin with 0"},
        {"{\"id\":\"x\"," CONTENT ",\"weight\":+1}", "column 119: expected a value, found '+'"},
        {"{\"id\":\"x\"," CONTENT ",\"weight\":.5}", "column 119: expected a value, found '.'"},
        {"{\"id\":\"x\"," CONTENT ",\"weight\":0x10}",
         "column 120: expected ',' or '}', found 'x'"},
        {"{\"id\":\"\\ud800\"," CONTENT "}",
         "column 8: expected a pair of surrogates, found \\ud800 alone"},
        {"{\"id\":\"\\udc00\"," CONTENT "}",
         "column 8: expected a pair of surrogates, found \\udc00 alone"},
        {"{\"id\":\"\\ud800\\u0041\"," CONTENT "}",
         "column 8: expected a pair of surrogates, found \\ud800 alone"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"\xed\xa0\x80\"}",
         "column 118: expected UTF-8, found byte 0xed"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"\xc0\xaf\"}",
         "column 118: expected UTF-8, found byte 0xc0"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"\xf4\x90\x80\x80\"}",
         "column 118: expected UTF-8, found byte 0xf4"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"a\\u0000b\"}",
         "column 119: a text must not have \\u0000"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"a\tb\"}",
         "column 119: expected an escape for a control character, found byte 0x09"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"\\x41\"}",
         "column 118: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u behind a backslash"},
        {"{\"id\":\"x\"," CONTENT ",}", "column 110: expected a key, found '}'"},
        {"{\"id\":\"x\" " CONTENT "}", "column 11: expected ',' or '}', found '\"'"},
        {"{'id':\"x\"," CONTENT "}", "column 2: expected a key, found '\''"},
        {"{\"id\":\"x\"," CONTENT "} // comment",
         "column 111: expected the end of the line, found '/'"},
        {"{\"id\":\"x\"," CONTENT "}{}", "column 110: expected the end of the line, found '{'"},
        {"{\"id\":\"x\"," CONTENT ",\"text\":\"",
         "column 118: expected the end quote of a text, found the end"},
        {"\"just text\"", "column 1: a record must be a JSON object"},
        {"null", "column 1: a record must be a JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[200];
        snprintf(message, sizeof message, "line 2, %s", cases[i].message);
        assert_line_refused(f, cases[i].line, PLUMB_ERR_FORMAT, message);
    }
}

/* Brackets that nobody closes, 10,000 of them, and one more than there may be. */
static void deep_json(void **state)
{
    const fixture *f = *state;
    plumb__bytes line = {0};
    static const int levels[] = {10000, 64};
    for (size_t i = 0; i < 2; i++) {
        plumb__bytes_clear(&line);
        plumb__bytes_append_text(&line, "{\"id\":\"x\"," CONTENT ",\"other\":");
        for (int k = 0; k < levels[i]; k++) {
            plumb__bytes_append_text(&line, i == 0 ? "{\"a\":" : "[");
        }
        for (int k = 0; i == 1 && k < levels[i]; k++) {
            plumb__bytes_append_text(&line, "]");
        }
        plumb__bytes_append_text(&line, i == 1 ? "}" : "");
        assert_line_refused(f, plumb__bytes_text(&line), PLUMB_ERR_FORMAT,
                            i == 0 ? "line 2, column 433: nested deeper than 64 levels"
                                   : "line 2, column 181: nested deeper than 64 levels");
    }
    plumb__bytes_free(&line);
}

static void form_of_lines(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *text, *message;
        plumb_status status;
    } cases[] = {
        {RECORD("a") "\xef\xbb\xbf" RECORD("b"),
         "line 2, column 1: expected a value, found byte 0xef", PLUMB_ERR_FORMAT},
        {"\xef\xbb\xbf" RECORD("a"),
         "line 1, column 1: the file begins with a byte order mark; remove it", PLUMB_ERR_FORMAT},
        {RECORD("a") "{\"id\":\"b\"," CONTENT "}\r\n",
         "line 2, column 110: the line has a carriage return; lines end in LF alone",
         PLUMB_ERR_FORMAT},
        {RECORD("a") "\n", "line 2, column 1: the line is blank; remove it", PLUMB_ERR_FORMAT},
        {RECORD("a") "\t \n", "line 2, column 1: the line is blank; remove it", PLUMB_ERR_FORMAT},
        {RECORD("a") "{\"id\":\"b\"," CONTENT "}",
         "line 2, column 1: the last line does not end in LF: the file is cut short, or its last "
         "line end is "
         "missing",
         PLUMB_ERR_TRUNCATED},
        {RECORD("a") RECORD("b") RECORD("\\u0061"),
         "line 3, column 7: id \"a\" is that of line 1 already; ids must be unique",
         PLUMB_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_both_refuse(f, cases[i].text, strlen(cases[i].text), cases[i].status,
                           cases[i].message);
    }
}

static void huge_ids(void **state)
{
    const fixture *f = *state;
    static const size_t sizes[] = {257, 1 << 20};
    for (size_t i = 0; i < 2; i++) {
        plumb__bytes line = {0};
        plumb__bytes_append_text(&line, "{\"id\":\"");
        for (size_t k = 0; k < sizes[i]; k++) {
            plumb__bytes_append_text(&line, "x");
        }
        plumb__bytes_append_text(&line, "\"," CONTENT "}");
        assert_line_refused(f, plumb__bytes_text(&line), PLUMB_ERR_FORMAT,
                            "line 2, column 7: field \"id\" must have 1 to 256 bytes without "
                            "control characters");
        plumb__bytes_free(&line);
    }
}

/* ---- endless lines ---- */

/* What this process ever held and read, in bytes. */
static void usage(uint64_t *peak, uint64_t *read_bytes)
{
    char line[256];
    unsigned long kib = 0;
    unsigned long long chars = 0;
    FILE *status = fopen("/proc/self/status", "r"), *io = fopen("/proc/self/io", "r");
    assert_non_null(status);
    assert_non_null(io);
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "VmHWM: %lu", &kib) != 1) {
    }
    while (fgets(line, sizeof line, io) != NULL && sscanf(line, "rchar: %llu", &chars) != 1) {
    }
    (void)fclose(status);
    (void)fclose(io);
    *peak = (uint64_t)kib << 10;
    *read_bytes = chars;
}

static bool make_sparse(const fixture *f, uint64_t bytes)
{
    struct stat st;
    (void)remove(fixture_path(f, "bad.jsonl"));
    const int fd = open(fixture_path(f, "bad.jsonl"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    static const char start[] = RECORD("good") "{\"id\":\"x\",\"text\":\"";
    assert_int_equal(pwrite(fd, start, strlen(start), 0), strlen(start));
    const bool ok = ftruncate(fd, (off_t)bytes) == 0 &&
                    pwrite(fd, "\"}\n", 3, (off_t)bytes - 3) == 3 && fstat(fd, &st) == 0 &&
                    st.st_blocks < 1000;
    assert_int_equal(close(fd), 0);
    return ok;
}

/* A line of 2 GB is left alone at its cap: little is read of it, and little kept. Who signed one
 * all the same makes its readers read it, but not keep it. */
static void endless_line(void **state)
{
    const fixture *f = *state;
    const uint64_t size = (uint64_t)2 << 30, signed_size = (uint64_t)200 << 20;
    const uint64_t most = (uint64_t)160 << 20;
    uint64_t peak_before, peak, read_before, read_after;
    char message[600];
    if (!make_sparse(f, size)) {
        print_message("skipped: this file system makes no sparse files of 2 GB\n");
        skip();
    }
    if (access("/proc/self/io", R_OK) != 0) {
        print_message("skipped: /proc does not say here what a process has read\n");
        skip();
    }
    usage(&peak_before, &read_before);
    snprintf(message, sizeof message,
             "%s/bad.jsonl: line 2, column 1: the line has more than 16777216 bytes", f->dir);
    assert_fails(sign_bad(f, err), PLUMB_ERR_LIMIT, message);
    usage(&peak, &read_after);
    assert_true(read_after - read_before < most);

    assert_true(make_sparse(f, signed_size));
    plumb__records_identity identity = {.bytes = signed_size, .count = 2};
    assert_works(plumb__hash_file(fixture_path(f, "bad.jsonl"), &identity.blake2b, &identity.sha256,
                                  NULL, err));
    forge(f, &identity);
    assert_fails(open_bad(f, err), PLUMB_ERR_LIMIT, message);
    usage(&peak, &read_after);
    assert_true(peak - peak_before < most);
    (void)remove(fixture_path(f, "bad.jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_json),   cmocka_unit_test(deep_json),
        cmocka_unit_test(form_of_lines), cmocka_unit_test(huge_ids),
        cmocka_unit_test(endless_line),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
