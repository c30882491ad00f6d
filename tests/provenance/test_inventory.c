/* Aim: the lines of seals.jsonl have one form, say exactly what differs, and fold back into the
 * very inventories that they were written from; what does not follow the lines before is refused by
 * name. Method: lines by hand and their exact messages; random histories of files written as
 * differences and folded again, compared after each line; a bundle whose seals.jsonl was torn or
 * added to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/plumb_random.h"
#include "bundle_maker.h"
#include "provenance/inventory_fold.h"
#include "provenance/seal_lines.h"

#include <stdio.h>
#include <string.h>

static plumb_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        const plumb_status s_ = (call);                                                            \
        if (s_ != PLUMB_OK) fail_msg("%s: %s", #call, err.message);                                \
    } while (0)

#define DIGEST "00000000000000000000000000000000000000000000000000000000000000ff"
#define FILE_OF(bytes, name)                                                                       \
    "{\"blake2b\":\"" DIGEST "\",\"bytes\":" bytes ",\"name\":\"" name "\"}"
#define FILE_A FILE_OF("3", "a")
#define FILE_B FILE_OF("3", "b/c")
#define LINE_OF(files, gone, leaf, seal, state)                                                    \
    "{\"files\":[" files "],\"gone\":[" gone "],\"kind\":\"inventory\",\"leaf\":" leaf             \
    ",\"seal\":" seal ",\"state\":\"" state "\"}"
#define FIRST(files) LINE_OF(files, "", "1", "0", "open")
#define SECOND(files, gone) LINE_OF(files, gone, "4", "1", "open")

static plumb_status fold_line(plumb__inventory_fold *fold, const char *text)
{
    return plumb__inventory_fold_line("line", text, strlen(text), fold, &err);
}

/* What becomes of a line behind FIRST(FILE_A "," FILE_B), or of a first line. */
static void expect_refusal(bool is_first, const char *line, plumb_status status, const char *text)
{
    plumb__inventory_fold fold = {0};
    if (!is_first) OK(fold_line(&fold, FIRST(FILE_A "," FILE_B)));
    assert_int_equal(fold_line(&fold, line), status);
    if (text) assert_string_equal(err.message, text);
    plumb__inventory_fold_free(&fold);
}

static void expect_files(const plumb__inventory_fold *fold, const char *names)
{
    plumb__inventory now;
    char text[200] = "";
    OK(plumb__inventory_fold_result(fold, &now, &err));
    for (size_t i = 0; i < now.n_files; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %u ", now.files[i].name,
                 (unsigned)now.files[i].bytes);
    assert_string_equal(text, names);
    plumb__inventory_free(&now);
}

static void a_line_has_one_form(void **state)
{
    (void)state;
    const char *good = FIRST(FILE_A "," FILE_B);
    expect_refusal(true, FIRST(FILE_B "," FILE_A), PLUMB_ERR_FORMAT, "line: \"a\" is not in order");
    expect_refusal(true, FIRST(FILE_A "," FILE_A), PLUMB_ERR_FORMAT, "line: \"a\" is not in order");
    expect_refusal(true, FIRST(FILE_A ", " FILE_B), PLUMB_ERR_FORMAT,
                   "line: is not in canonical form");
    expect_refusal(true, FIRST(FILE_OF("3", "head")), PLUMB_ERR_FORMAT,
                   "line: \"head\" has no valid size and digest or does not belong there");
    expect_refusal(true, FIRST(FILE_OF("-1", "x")), PLUMB_ERR_FORMAT, NULL);
    expect_refusal(true, "{}", PLUMB_ERR_FORMAT, NULL);
    expect_refusal(true,
                   "{\"files\":[],\"kind\":\"inventory\",\"leaf\":1,\"seal\":0,\"state\":\"open\"}",
                   PLUMB_ERR_FORMAT, NULL);
    expect_refusal(true, LINE_OF("", "", "1", "0", "ajar"), PLUMB_ERR_FORMAT,
                   "line: unknown state \"ajar\"");
    for (size_t cut = 0; cut < strlen(good); cut++) {
        plumb__inventory_fold fold = {0};
        assert_int_not_equal(plumb__inventory_fold_line("line", good, cut, &fold, &err), PLUMB_OK);
        assert_int_equal(fold.lines, 0);
        plumb__inventory_fold_free(&fold);
    }
    expect_refusal(false, SECOND("", "\"b/c\",\"a\""), PLUMB_ERR_FORMAT,
                   "line: \"a\" is not in order");
    expect_refusal(false, SECOND("", "\"a\",\"a\""), PLUMB_ERR_FORMAT,
                   "line: \"a\" is not in order");
    expect_refusal(false, SECOND("", "1"), PLUMB_ERR_FORMAT,
                   "line: a name that is gone must be a string");
    expect_refusal(false, SECOND(FILE_OF("4", "b/c"), "\"a\",\"b/c\""), PLUMB_ERR_FORMAT,
                   "line: \"b/c\" is listed and gone");
}

static void a_line_follows_those_before(void **state)
{
    (void)state;
    plumb__inventory_fold fold = {0};
    expect_refusal(true, LINE_OF("", "\"a\"", "1", "0", "open"), PLUMB_ERR_CORRUPT,
                   "line: \"a\" is gone, but was not there; restore the file from a copy");
    expect_refusal(false, SECOND("", "\"b\""), PLUMB_ERR_CORRUPT,
                   "line: \"b\" is gone, but was not there; restore the file from a copy");
    expect_refusal(false, SECOND(FILE_B, ""), PLUMB_ERR_CORRUPT,
                   "line: lists \"b/c\" as it was already; restore the file from a copy");
    expect_refusal(true, LINE_OF("", "", "2", "0", "open"), PLUMB_ERR_CORRUPT,
                   "line: seal 0 (open, leaf 2) does not follow the line before; restore the file "
                   "from a copy");
    expect_refusal(false, LINE_OF("", "", "1", "1", "open"), PLUMB_ERR_CORRUPT, NULL);
    expect_refusal(false, LINE_OF("", "", "4", "2", "open"), PLUMB_ERR_CORRUPT, NULL);
    expect_refusal(false, LINE_OF("", "", "4", "1", "closed"), PLUMB_ERR_CORRUPT,
                   "line: seal 1 (closed, leaf 4) does not follow the line before; restore the "
                   "file from a copy");
    OK(fold_line(&fold, FIRST(FILE_A "," FILE_B)));
    expect_files(&fold, "a 3 b/c 3 ");
    OK(fold_line(&fold, SECOND(FILE_OF("4", "a") "," FILE_OF("3", "d"), "\"b/c\"")));
    expect_files(&fold, "a 4 d 3 ");
    OK(fold_line(&fold, LINE_OF(FILE_B, "", "5", "2", "merged")));
    OK(fold_line(&fold, LINE_OF("", "\"a\",\"d\"", "6", "3", "closed")));
    expect_files(&fold, "b/c 3 ");
    assert_int_equal(fold_line(&fold, LINE_OF(FILE_A, "", "7", "4", "closed")), PLUMB_ERR_CORRUPT);
    plumb__inventory_fold_free(&fold);
}

/* ---- there and back ------------------------------------------------------------------------ */

#define NAMES 40

static uint32_t draw(uint64_t counter, uint32_t below)
{
    uint32_t words[4];
    plumb_random_block(20261122, 6, counter, words);
    return words[0] % below;
}

/* Each of the names is there or not, with one of three contents. */
static void make_inventory(uint64_t round, char names[NAMES][16], plumb__inventory_file *files,
                           plumb__inventory *out)
{
    *out = (plumb__inventory){.leaf = 1 + 3 * round, .seal = round, .files = files};
    for (uint32_t i = 0; i < NAMES; i++) {
        const uint32_t what = draw(round * NAMES + i, 5);
        if (what > 2) continue;
        files[out->n_files] = (plumb__inventory_file){.name = names[i], .bytes = what / 2};
        files[out->n_files++].blake2b.bytes[0] = (uint8_t)what;
    }
}

static void differences_fold_back(void **state)
{
    (void)state;
    char names[NAMES][16];
    plumb__inventory_file files[2][NAMES];
    plumb__inventory made[2] = {{0}, {0}}, folded;
    plumb__inventory_fold fold = {0};
    plumb__bytes line = {0};
    for (uint32_t i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "%c/%02u", 'a' + (int)(i / 13), i);
    for (uint64_t round = 0; round < 300; round++) {
        plumb__inventory *now = &made[round % 2], *before = &made[(round + 1) % 2];
        make_inventory(round, names, files[round % 2], now);
        plumb__bytes_clear(&line);
        OK(plumb__inventory_dump(round > 0 ? before : NULL, now, &line, &err));
        OK(plumb__inventory_fold_line("line", line.data, line.size, &fold, &err));
        OK(plumb__inventory_fold_result(&fold, &folded, &err));
        assert_true(plumb__inventory_same_files(&folded, now));
        assert_int_equal(folded.leaf, now->leaf);
        assert_int_equal(folded.seal, round);
        if (folded.n_files > 0) assert_non_null(plumb__inventory_find(&folded, now->files[0].name));
        assert_null(plumb__inventory_find(&folded, "a"));
        plumb__inventory_free(&folded);
    }
    plumb__inventory_fold_free(&fold);
    plumb__bytes_free(&line);
}

/* ---- in a bundle --------------------------------------------------------------------------- */

static void assert_inventory_is_directory(const bundle_maker *m, plumb__seal_lines *seals)
{
    plumb__inventory now;
    OK(plumb__seal_lines_read(m->dir, seals, &err));
    assert_int_equal(seals->whole_bytes, seals->data.size);
    OK(plumb__inventory_collect(m->dir, NULL, &now, &err));
    assert_true(plumb__inventory_same_files(&seals->last, &now));
    plumb__inventory_free(&now);
}

/* 60 seals, each with a segment and a checkpoint: seals.jsonl grows by the same for each. */
static void many_seals_cost_the_same_each(void **state)
{
    (void)state;
    enum { SEALS = 60, LINE_BYTES = 420 };
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__seal_lines seals;
    bundle_maker_init(&m, 31);
    OK(maker_create(&m, &bundle, &err));
    for (uint64_t i = 1; i <= SEALS; i++) {
        OK(maker_step(&m, bundle, 0, i, &err));
        OK(maker_checkpoint(&m, bundle, 0, i, &err));
        OK(plumb__bundle_seal(bundle, &err));
    }
    assert_inventory_is_directory(&m, &seals);
    assert_true(seals.n > SEALS);
    assert_true(seals.last.n_files > 2 * SEALS);
    for (size_t i = 1; i < seals.n; i++)
        assert_in_range(seals.lines[i].n, 100, LINE_BYTES);
    plumb__seal_lines_free(&seals);

    OK(plumb__bundle_close(bundle, &err));
    plumb__bundle_free(bundle);
    assert_inventory_is_directory(&m, &seals);
    assert_int_equal(seals.last.state, PLUMB__SEAL_CLOSED);
    const plumb__seal_line *closing = &seals.lines[seals.n - 1];
    static const char start[] = "{\"files\":[],\"gone\":[\"segments/0.h5\",\"segments/1.h5\",";
    assert_memory_equal(closing->text, start, sizeof start - 1);
    plumb__seal_lines_free(&seals);
    bundle_maker_free(&m);
}

static void make_open(bundle_maker *m, uint64_t seed)
{
    plumb__bundle *bundle;
    bundle_maker_init(m, seed);
    OK(maker_create(m, &bundle, &err));
    OK(maker_step(m, bundle, 0, 1, &err));
    OK(plumb__bundle_seal(bundle, &err));
    plumb__bundle_free(bundle);
}

static void append(const bundle_maker *m, const char *text)
{
    FILE *file = fopen(maker_path(m, "seals.jsonl"), "ab");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

/* A line that was never signed: half of it, or whole and naming nothing that is there. */
static void torn_lines_are_cut_and_wrong_ones_refused(void **state)
{
    (void)state;
    static const char *const torn[] = {"{\"files\":[],\"gone\":[],\"kind\":\"inv", "\x01\x01}\n"};
    for (size_t i = 0; i < 2; i++) {
        bundle_maker m;
        plumb__bundle *bundle;
        plumb__bundle_state found;
        plumb__seal_lines seals;
        make_open(&m, 32 + i);
        append(&m, torn[i]);
        OK(maker_reopen(&m, &bundle, &found, &err));
        assert_inventory_is_directory(&m, &seals);
        assert_int_equal(seals.n, 3);
        plumb__seal_lines_free(&seals);
        OK(maker_step(&m, bundle, 0, 2, &err));
        OK(plumb__bundle_close(bundle, &err));
        plumb__bundle_free(bundle);
        bundle_maker_free(&m);
    }
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__bundle_state found;
    make_open(&m, 34);
    append(&m, LINE_OF("", "\"segments/1.h5\"", "3", "2", "open") "\n");
    assert_int_not_equal(maker_reopen(&m, &bundle, &found, &err), PLUMB_OK);
    assert_non_null(strstr(err.message, "does not follow the line before"));
    bundle_maker_free(&m);
    make_open(&m, 35);
    append(&m, LINE_OF("", "\"segments/1.h5\"", "4", "2", "open") "\n");
    assert_int_equal(maker_reopen(&m, &bundle, &found, &err), PLUMB_ERR_CORRUPT);
    assert_string_equal(err.message, "seals.jsonl line 3: \"segments/1.h5\" is gone, but was not "
                                     "there; restore the file from a copy");
    bundle_maker_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_one_form),
        cmocka_unit_test(a_line_follows_those_before),
        cmocka_unit_test(differences_fold_back),
        cmocka_unit_test(many_seals_cost_the_same_each),
        cmocka_unit_test(torn_lines_are_cut_and_wrong_ones_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
