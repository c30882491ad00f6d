/* Aim: what an import of a Croissant dataset takes is what the stated SHA-256 is of, whatever
 * happens to the file meanwhile. Method: a row that is refused and skipped calls us in the middle
 * of the reading; there another file takes the name (the import goes on with the one it began), or
 * rows still to be read are overwritten in place (refused, and nothing is written). */
#include "base/hash.h"
#include "manifest/plumb_import.h"
#include "manifest_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 20000
#define ROW_BYTES 16

static char folder[] = "/tmp/plumb-swap-XXXXXX";
static char data[2 * ROW_BYTES + ROWS * ROW_BYTES + 1];

static void in_folder(const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    in_folder(name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* The second row lacks a field. */
static void make_data(void)
{
    char *at = data + sprintf(data, "id,text\nlonely\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(at, "row%05d,good%c%c\n", i, 'a' + i % 26, 'a' + i / 26 % 26);
}

static void make_metadata(void)
{
    char text[2048], hex[PLUMB__HASH_HEX_BYTES];
    const plumb__hash digest = plumb__sha256(data, strlen(data));
    plumb__hash_hex(&digest, hex);
    snprintf(text, sizeof text,
             "{\"conformsTo\":\"http://mlcommons.org/croissant/1.0\",\"distribution\":[{\"@id\":"
             "\"f\",\"contentUrl\":\"f.csv\",\"encodingFormat\":\"text/csv\",\"sha256\":\"%s\"}],"
             "\"recordSet\":[{\"@id\":\"s\",\"key\":{\"@id\":\"s/id\"},\"field\":["
             "{\"@id\":\"s/id\",\"dataType\":\"sc:Text\",\"source\":{\"fileObject\":{\"@id\":\"f\"}"
             ",\"extract\":{\"column\":\"id\"}}},"
             "{\"@id\":\"s/text\",\"dataType\":\"sc:Text\",\"source\":{\"fileObject\":{\"@id\":"
             "\"f\"},\"extract\":{\"column\":\"text\"}}}]}]}",
             hex);
    write_file("in.json", text);
}

static void put_another(void *ctx, const char *message)
{
    char from[256], to[256];
    (void)ctx;
    (void)message;
    write_file("evil.csv", "id,text\nevil,evil\n");
    in_folder("evil.csv", from);
    in_folder("f.csv", to);
    assert_int_equal(rename(from, to), 0);
}

static void overwrite(void *ctx, const char *message)
{
    char path[256];
    (void)ctx;
    (void)message;
    in_folder("f.csv", path);
    const int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "evil", 4, (off_t)strlen(data) - 7), 4);
    assert_int_equal(close(fd), 0);
}

static plumb_status import(void (*refused)(void *, const char *), plumb_import_summary *summary,
                           plumb_error *err)
{
    char in[256], out[256];
    plumb_import_options o;
    in_folder("in.json", in);
    in_folder("out.jsonl", out);
    (void)unlink(out);
    write_file("f.csv", data);
    plumb_import_options_default(&o);
    o.format = PLUMB_IMPORT_CROISSANT;
    o.input_path = in;
    o.records_path = out;
    o.skip_errors = true;
    o.refused = refused;
    return plumb_import(&o, summary, err);
}

static void another_takes_the_name(void **state)
{
    plumb_import_summary summary;
    (void)state;
    assert_works(import(put_another, &summary, err));
    assert_int_equal(summary.records, ROWS);
    assert_int_equal(summary.refused, 1);
}

static void overwritten_in_place(void **state)
{
    plumb_import_summary summary;
    char message[1024], out[256];
    (void)state;
    snprintf(message, sizeof message, "%s/f.csv: its SHA-256 is not what %s/in.json says", folder,
             folder);
    assert_fails(import(overwrite, &summary, err), PLUMB_ERR_DIGEST, message);
    in_folder("out.jsonl", out);
    assert_int_not_equal(access(out, F_OK), 0);
}

static void a_link_is_not_followed(void **state)
{
    plumb_import_summary summary;
    char from[256], to[256], message[512];
    (void)state;
    assert_works(import(NULL, &summary, err));
    in_folder("f.csv", from);
    in_folder("real.csv", to);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(symlink("real.csv", from), 0);
    plumb_import_options o;
    char in[256], out[256];
    in_folder("in.json", in);
    in_folder("other.jsonl", out);
    plumb_import_options_default(&o);
    o.format = PLUMB_IMPORT_CROISSANT;
    o.input_path = in;
    o.records_path = out;
    snprintf(message, sizeof message, "%s is a symbolic link, not a regular file", from);
    assert_fails(plumb_import(&o, &summary, err), PLUMB_ERR_FORMAT, message);
}

static int remove_folder(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_takes_the_name),
                                       cmocka_unit_test(overwritten_in_place),
                                       cmocka_unit_test(a_link_is_not_followed)};
    assert_non_null(mkdtemp(folder));
    make_data();
    make_metadata();
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
