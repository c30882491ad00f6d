/* Aim: checkpoint files round-trip, and no damaged or hostile one is read as something else.
 * Method: golden bytes; every truncation and every byte changed (the reader must refuse or return
 * what the header says, never crash: run under the sanitizers); a table of hostile headers with
 * messages. */
#include "harness.h"

#include "base/file.h"
#include "runtime/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/plumb-safetensors-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    if (fd < 0) return -1;
    return close(fd);
}

static int drop_path(void **state)
{
    (void)state;
    return unlink(path);
}

/* Without the syncs of an atomic write, and in place (a file truncated to nothing is flushed when
 * it is closed): thousands of files are tried. */
static void put(const void *data, size_t n)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)n), 0);
}

static void write_sample(plumb__hash *digest, uint64_t *size)
{
    static float a[6] = {1, 2, 3, 4, 5, 6};
    static double b[2] = {0.5, -7};
    static uint8_t c[3] = {9, 8, 7};
    const plumb_named_tensor t[] = {{"a", PLUMB_F32, 2, {2, 3}, a},
                                    {"b", PLUMB_F64, 1, {2}, b},
                                    {"c", PLUMB_U8, 1, {3}, c},
                                    {"none", PLUMB_F32, 2, {0, 4}, NULL}};
    plumb_error err;
    json_t *metadata = json_pack("{s:s}", "plumb_step", "12");
    must(plumb__safetensors_write(path, t, 4, metadata, size, digest, &err), &err);
    json_decref(metadata);
}

static void test_round_trip(void **state)
{
    (void)state;
    plumb_error err;
    plumb__hash digest, of_file;
    plumb__safetensors f;
    uint64_t size = 0, on_disk = 0;
    float a[6] = {0};
    double b[2] = {0};
    write_sample(&digest, &size);
    must(plumb__hash_file(path, &of_file, NULL, &on_disk, &err), &err);
    assert_int_equal(size, on_disk);
    assert_memory_equal(&digest, &of_file, sizeof digest);
    must(plumb__safetensors_open(path, &digest, &f, &err), &err);
    assert_int_equal(f.n, 4);
    assert_string_equal(json_string_value(json_object_get(f.metadata, "plumb_step")), "12");
    const plumb_named_tensor ta = {"a", PLUMB_F32, 2, {2, 3}, a};
    plumb_named_tensor tb = {"b", PLUMB_F64, 1, {2}, b};
    must(plumb__safetensors_load(&f, &ta, &err), &err);
    must(plumb__safetensors_load(&f, &tb, &err), &err);
    assert_true(a[5] == 6.0f && b[1] == -7.0);
    char message[256];
    tb.dtype = PLUMB_F32;
    snprintf(message, sizeof message, "%s: tensor \"b\" is F64, F32 was asked for", path);
    must_fail(plumb__safetensors_load(&f, &tb, &err), PLUMB_ERR_MISMATCH, &err, message);
    tb.name = "z";
    snprintf(message, sizeof message, "%s: there is no tensor \"z\"", path);
    must_fail(plumb__safetensors_load(&f, &tb, &err), PLUMB_ERR_MISMATCH, &err, message);
    plumb__safetensors_close(&f);
    digest.bytes[0] ^= 1;
    assert_int_equal(plumb__safetensors_open(path, &digest, &f, &err), PLUMB_ERR_DIGEST);
}

/* Opens whatever is at `path` and loads all of it; what is accepted must lie inside the file. */
static plumb_status probe(void)
{
    plumb_error err;
    plumb__safetensors f;
    const plumb_status status = plumb__safetensors_open(path, NULL, &f, &err);
    if (status != PLUMB_OK) {
        assert_true(err.message[0] != '\0');
        return status;
    }
    uint64_t size = 0;
    must(plumb__file_size(path, &size, &err), &err);
    for (size_t i = 0; i < f.n; i++)
        assert_true(f.entries[i].end <= size);
    plumb__safetensors_close(&f);
    return PLUMB_OK;
}

static void test_truncated(void **state)
{
    (void)state;
    plumb_error err;
    plumb__hash digest;
    plumb__bytes bytes = {0};
    uint64_t size = 0;
    write_sample(&digest, &size);
    must(plumb__file_read(path, 1 << 20, &bytes, &err), &err);
    for (size_t n = 0; n < bytes.size; n++) {
        put(bytes.data, n);
        assert_int_not_equal(probe(), PLUMB_OK);
    }
    plumb__bytes_free(&bytes);
}

static void test_flipped(void **state)
{
    (void)state;
    plumb_error err;
    plumb__hash digest;
    plumb__bytes bytes = {0};
    uint64_t size = 0, accepted = 0;
    write_sample(&digest, &size);
    must(plumb__file_read(path, 1 << 20, &bytes, &err), &err);
    const size_t header = 8 + (size_t)plumb__load_u64(bytes.data);
    for (size_t i = 0; i < header; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            plumb__safetensors f;
            bytes.data[i] ^= (uint8_t)(1u << bit);
            put(bytes.data, bytes.size);
            /* The recorded digest finds all of them; without it only renamed things get through. */
            assert_int_equal(plumb__safetensors_open(path, &digest, &f, &err), PLUMB_ERR_DIGEST);
            accepted += probe() == PLUMB_OK;
            bytes.data[i] ^= (uint8_t)(1u << bit);
        }
    assert_true(accepted < header * 8 / 4);
    plumb__bytes_free(&bytes);
}

static void hostile(const char *header, size_t data_bytes, plumb_status wanted, const char *tail)
{
    plumb_error err;
    plumb__bytes b = {0};
    plumb__safetensors f;
    char message[512];
    plumb__bytes_u64(&b, strlen(header));
    plumb__bytes_append_text(&b, header);
    for (size_t i = 0; i < data_bytes; i++)
        plumb__bytes_u8(&b, 1);
    put(b.data, b.size);
    plumb__bytes_free(&b);
    snprintf(message, sizeof message, "%s%s", path, tail);
    must_fail(plumb__safetensors_open(path, NULL, &f, &err), wanted, &err, message);
}

static void test_hostile(void **state)
{
    (void)state;
    hostile("[]", 0, PLUMB_ERR_FORMAT, ": the header is no JSON object");
    hostile("{\"a\":1}", 0, PLUMB_ERR_FORMAT, ": tensor \"a\": no JSON object");
    hostile("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, PLUMB_ERR_FORMAT,
            ": tensor \"a\": data_offsets are not inside the file");
    hostile("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, PLUMB_ERR_FORMAT,
            ": tensor \"a\": dtype and shape do not fit its data_offsets");
    hostile("{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, PLUMB_ERR_FORMAT,
            ": tensor \"a\": unknown dtype");
    hostile("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],"
            "\"data_offsets\":[0,0]}}",
            0, PLUMB_ERR_FORMAT, ": tensor \"a\": dtype and shape do not fit its data_offsets");
    hostile("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
            PLUMB_ERR_FORMAT, ": tensor \"a\": a dimension is no natural number");
    hostile("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
            PLUMB_ERR_FORMAT, ": tensor \"a\": too many dimensions");
    hostile("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
            6, PLUMB_ERR_FORMAT, ": tensor \"b\": its data overlap another tensor's");
    hostile("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}",
            6, PLUMB_ERR_FORMAT, ": tensor \"b\": there is a gap before its data");
    hostile("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 3, PLUMB_ERR_FORMAT,
            ": 1 bytes after the last tensor");
    hostile("{\"__metadata__\":3}", 0, PLUMB_ERR_FORMAT,
            ": tensor \"__metadata__\": no JSON object");
}

static void test_long_header(void **state)
{
    (void)state;
    plumb_error err;
    plumb__safetensors f;
    char message[256];
    const uint8_t length[8] = {1, 0, 0, 4, 0, 0, 0, 0}; /* 64 MiB + 1 */
    put(length, 8);
    snprintf(message, sizeof message, "%s: header of 67108865 bytes, at most 67108864", path);
    must_fail(plumb__safetensors_open(path, NULL, &f, &err), PLUMB_ERR_LIMIT, &err, message);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    plumb_error err;
    plumb__hash digest;
    uint64_t size;
    float a = 0;
    json_t *metadata = json_object();
    const plumb_named_tensor twice[] = {{"a", PLUMB_F32, 1, {1}, &a}, {"a", PLUMB_F32, 1, {1}, &a}};
    must_fail(plumb__safetensors_write(path, twice, 2, metadata, &size, &digest, &err),
              PLUMB_ERR_ARGUMENT, &err, "two tensors are named \"a\"");
    const plumb_named_tensor huge = {"h", PLUMB_F32, 2, {UINT64_MAX, 2}, &a};
    must_fail(plumb__safetensors_write(path, &huge, 1, metadata, &size, &digest, &err),
              PLUMB_ERR_ARGUMENT, &err,
              "tensor \"h\": dtype 0, 2 dimensions: unknown or too large");
    json_decref(metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),     cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long_header), cmocka_unit_test(test_bad_tensors),
    };
    return cmocka_run_group_tests(tests, make_path, drop_path);
}
