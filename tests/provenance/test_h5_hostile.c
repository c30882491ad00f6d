/* Aim: whatever schema 2 does not have is refused before it is read, with a message that names it.
 * Method: a good provenance.h5 is changed through HDF5 itself, as somebody with h5py would: other
 * links, other objects, other types, shapes, storage and filters, values that contradict each
 * other. Each change has its exact message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph_maker.h"
#include "provenance/h5_reader.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/plumb_h5_XXXXXX";
static char path[128];

typedef void change_fn(hid_t file);

/* Makes a graph, changes it, and expects it to be refused with the path and `problem` behind it. */
static void refused(change_fn *change, plumb_status status, const char *problem)
{
    plumb_error err = {0};
    plumb__h5_reader *reader = NULL;
    char want[512];
    unlink(path);
    graph_whole(path, 12, 3);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    change(file);
    assert_true(H5Fclose(file) >= 0);
    const plumb_status got = plumb__h5_open(path, &reader, &err);
    snprintf(want, sizeof want, "%s%s", path, problem);
    assert_string_equal(err.message, want);
    assert_int_equal(got, status);
    assert_null(reader);
    unlink(path);
}

/* ---- links ---- */

static void soft_link(hid_t file)
{
    assert_true(H5Lcreate_soft("/units", file, "more", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void external_link(hid_t file)
{
    assert_true(
        H5Lcreate_external("/etc/passwd", "/", file, "steps/more", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void soft_link_in_place(hid_t file)
{
    assert_true(H5Ldelete(file, "units/loss", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/units/entropy", file, "units/loss", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
}

static void unknown_group(hid_t file)
{
    H5Gclose(H5Gcreate2(file, "more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void unknown_dataset(hid_t file)
{
    assert_true(H5Lcreate_hard(file, "units/loss", file, "units/gain", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
}

static void cycle(hid_t file)
{
    assert_true(H5Ldelete(file, "units/loss", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_hard(file, "/", file, "units/loss", H5P_DEFAULT, H5P_DEFAULT) >= 0);
}

static void missing_dataset(hid_t file)
{
    assert_true(H5Ldelete(file, "units/loss", H5P_DEFAULT) >= 0);
}

static void missing_group(hid_t file)
{
    assert_true(H5Ldelete(file, "index", H5P_DEFAULT) >= 0);
}

static void external_link_in_place(hid_t file)
{
    assert_true(H5Ldelete(file, "layers", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external("/etc/passwd", "/", file, "layers", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
}

static void many_links(hid_t file)
{
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof name, "units/more%d", i);
        assert_true(H5Lcreate_hard(file, "units/loss", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    }
}

static void links_are_hard_and_known(void **state)
{
    (void)state;
    refused(soft_link, PLUMB_ERR_FORMAT, ": / has 16 links, in a Plumbline graph it has 15");
    refused(external_link, PLUMB_ERR_FORMAT,
            ": /steps has 18 links, in a Plumbline graph it has 17");
    refused(soft_link_in_place, PLUMB_ERR_FORMAT,
            ": /units/loss is a soft, external or user-defined link; only hard links are read");
    refused(external_link_in_place, PLUMB_ERR_FORMAT,
            ": /layers is a soft, external or user-defined link; only hard links are read");
    refused(unknown_group, PLUMB_ERR_FORMAT, ": / has 16 links, in a Plumbline graph it has 15");
    refused(unknown_dataset, PLUMB_ERR_FORMAT,
            ": /units has 12 links, in a Plumbline graph it has 11");
    refused(cycle, PLUMB_ERR_FORMAT, ": /units/loss is not a dataset");
    refused(missing_dataset, PLUMB_ERR_FORMAT, ": /units/loss is missing");
    refused(missing_group, PLUMB_ERR_FORMAT, ": /index is missing");
    refused(many_links, PLUMB_ERR_FORMAT,
            ": /units keeps its links in another form than Plumbline writes");
}

/* A statement's link is looked at when the statement is asked for. */
static void a_statement_elsewhere_is_refused(void **state)
{
    (void)state;
    plumb_error err = {0};
    char want[256];
    const void *data;
    size_t n;
    graph_whole(path, 12, 3);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Lcreate_external("/etc/passwd", "/", file, "statements/policy.json", H5P_DEFAULT,
                                   H5P_DEFAULT) >= 0);
    assert_true(
        H5Lcreate_hard(file, "units/loss", file, "statements/loss", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Fclose(file) >= 0);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__h5_open(path, &reader, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_statement(reader, "policy.json", &data, &n, &err), PLUMB_ERR_FORMAT);
    snprintf(want, sizeof want,
             "%s: /statements/policy.json is a soft, external or user-defined link; only hard "
             "links are read",
             path);
    assert_string_equal(err.message, want);
    assert_int_equal(plumb__h5_statement(reader, "loss", &data, &n, &err), PLUMB_ERR_FORMAT);
    snprintf(want, sizeof want, "%s: /statements/loss has another type than schema 2 says", path);
    assert_string_equal(err.message, want);
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* ---- one dataset in place of another ---- */

static void replace(hid_t file, const char *name, hid_t type, int rank, const hsize_t *size,
                    hid_t plist)
{
    assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    const hid_t space = rank > 0 ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Sclose(space);
    if (plist != H5P_DEFAULT) H5Pclose(plist);
}

static hid_t chunked(int rank, hsize_t rows, hsize_t cols)
{
    const hsize_t chunk[2] = {rows, cols};
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(plist, rank, chunk) >= 0);
    return plist;
}

static const hsize_t steps12[] = {12};

static void wrong_type(hid_t file)
{
    replace(file, "steps/loss", H5T_IEEE_F32LE, 1, steps12, chunked(1, 4, 1));
}

static void big_endian(hid_t file)
{
    replace(file, "steps/loss", H5T_IEEE_F64BE, 1, steps12, chunked(1, 4, 1));
}

static void reference(hid_t file)
{
    replace(file, "steps/leaf", H5T_STD_REF_OBJ, 1, steps12, chunked(1, 4, 1));
}

static void variable_string(hid_t file)
{
    const hsize_t size[] = {3};
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    replace(file, "layers/name", type, 1, size, chunked(1, 3, 1));
    H5Tclose(type);
}

static void types_are_those_of_the_schema(void **state)
{
    (void)state;
    const char *loss = ": /steps/loss has another type than schema 2 says";
    refused(wrong_type, PLUMB_ERR_FORMAT, loss);
    refused(big_endian, PLUMB_ERR_FORMAT, loss);
    refused(reference, PLUMB_ERR_FORMAT, ": /steps/leaf has another type than schema 2 says");
    refused(variable_string, PLUMB_ERR_FORMAT,
            ": /layers/name has another type than schema 2 says");
}

static void external_storage(hid_t file)
{
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(plist, "/etc/passwd", 0, 12 * 8) >= 0);
    replace(file, "steps/loss", H5T_IEEE_F64LE, 1, steps12, plist);
}

static void virtual_storage(hid_t file)
{
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, steps12, NULL);
    assert_true(H5Pset_virtual(plist, space, "/tmp/other.h5", "/x", space) >= 0);
    H5Sclose(space);
    replace(file, "steps/loss", H5T_IEEE_F64LE, 1, steps12, plist);
}

static void contiguous(hid_t file)
{
    replace(file, "steps/loss", H5T_IEEE_F64LE, 1, steps12, H5P_DEFAULT);
}

static void other_filter(hid_t file)
{
    const hid_t plist = chunked(1, 4, 1);
    assert_true(H5Pset_nbit(plist) >= 0);
    replace(file, "steps/loss", H5T_IEEE_F64LE, 1, steps12, plist);
}

static void huge_chunk(hid_t file)
{
    const hsize_t size[] = {12}, limit[] = {H5S_UNLIMITED}, chunk[] = {4u << 20};
    assert_true(H5Ldelete(file, "steps/loss", H5P_DEFAULT) >= 0);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, size, limit);
    assert_true(H5Pset_chunk(plist, 1, chunk) >= 0);
    H5Dclose(
        H5Dcreate2(file, "steps/loss", H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(plist);
}

static void storage_is_chunked_and_in_the_file(void **state)
{
    (void)state;
    refused(external_storage, PLUMB_ERR_FORMAT, ": /steps/loss has external storage");
    refused(virtual_storage, PLUMB_ERR_FORMAT, ": /steps/loss is not chunked");
    refused(contiguous, PLUMB_ERR_FORMAT, ": /steps/loss is not chunked");
    refused(other_filter, PLUMB_ERR_FORMAT,
            ": /steps/loss has filters other than shuffle, deflate and fletcher32");
    refused(huge_chunk, PLUMB_ERR_FORMAT, ": /steps/loss has chunks above 16 MiB");
}

static void set_rows(hid_t file, const char *name, hsize_t rows, hsize_t cols)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    const hsize_t size[] = {rows, cols};
    assert_true(H5Dset_extent(set, size) >= 0);
    H5Dclose(set);
}

static void one_row_less(hid_t file)
{
    set_rows(file, "steps/loss", 11, 1);
}
static void no_layers(hid_t file)
{
    set_rows(file, "layers/name", 0, 1);
}
static void no_offsets(hid_t file)
{
    set_rows(file, "events/offset", 0, 1);
}
/* 2^31 units, of which hardly any is stored */
static void bomb(hid_t file)
{
    set_rows(file, "units/loss", UINT64_C(1) << 31, 1);
}
static void bomb_of_rows(hid_t file)
{
    set_rows(file, "units/example", UINT64_C(1) << 40, 1);
}

static void two_dimensions(hid_t file)
{
    const hsize_t size[] = {12, 1};
    replace(file, "steps/loss", H5T_IEEE_F64LE, 2, size, chunked(2, 4, 1));
}

static void another_width(hid_t file)
{
    const hsize_t size[] = {12, 4};
    replace(file, "steps/live", H5T_STD_U8LE, 2, size, chunked(2, 4, 4));
}

static void shapes_agree_and_are_bounded(void **state)
{
    (void)state;
    refused(one_row_less, PLUMB_ERR_FORMAT,
            ": /steps/loss has not as many rows as the datasets beside it");
    refused(no_layers, PLUMB_ERR_FORMAT,
            ": /layers/name has no rows: a graph has at least one layer");
    refused(no_offsets, PLUMB_ERR_FORMAT, ": /events/offset has fewer rows than it must");
    refused(bomb, PLUMB_ERR_FORMAT, ": /units/loss claims more rows than the file can hold");
    refused(bomb_of_rows, PLUMB_ERR_FORMAT, ": /units/example has more rows than any graph");
    refused(two_dimensions, PLUMB_ERR_FORMAT, ": /steps/loss has chunks of another rank");
    refused(another_width, PLUMB_ERR_FORMAT, ": /steps/live has another shape than schema 2 says");
}

/* ---- values ---- */

static void put(hid_t file, const char *name, hid_t type, hsize_t row, const void *value)
{
    const hsize_t count[] = {1};
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    const hid_t memory = H5Screate_simple(1, count, NULL);
    assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, &row, NULL, count, NULL) >= 0);
    assert_true(H5Dwrite(set, type, memory, space, H5P_DEFAULT, value) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
}

#define PUT(function, name, type, row, c_type, value)                                              \
    static void function(hid_t file)                                                               \
    {                                                                                              \
        const c_type v = value;                                                                    \
        put(file, name, type, row, &v);                                                            \
    }
PUT(falling_leaf, "steps/leaf", H5T_NATIVE_UINT64, 5, uint64_t, 3)
PUT(wrong_first_row, "steps/first_row", H5T_NATIVE_UINT64, 5, uint64_t, 1)
PUT(wrong_units, "steps/units", H5T_NATIVE_UINT32, 11, uint32_t, 0)
PUT(huge_units, "steps/units", H5T_NATIVE_UINT32, 0, uint32_t, UINT32_MAX)
PUT(declares_none, "steps/units_declared", H5T_NATIVE_UINT32, 3, uint32_t, 0)
PUT(declares_all, "steps/units_declared", H5T_NATIVE_UINT32, 3, uint32_t, (1u << 20) + 1)
PUT(superseded_2, "steps/superseded", H5T_NATIVE_UINT8, 5, uint8_t, 2)
PUT(text_offset, "events/offset", H5T_NATIVE_UINT64, 0, uint64_t, 1)
PUT(text_end, "events/offset", H5T_NATIVE_UINT64, 1, uint64_t, UINT64_MAX)
PUT(text_kind, "events/kind", H5T_NATIVE_UINT8, 0, uint8_t, 5)
PUT(depth_nan, "layers/depth", H5T_NATIVE_DOUBLE, 0, double, __builtin_nan(""))
PUT(weight_high, "layers/weight", H5T_NATIVE_UINT32, 0, uint32_t, 3)
PUT(use_high, "layers/use", H5T_NATIVE_UINT32, 0, uint32_t, 1)
PUT(uses_high, "layers/n_uses", H5T_NATIVE_UINT32, 0, uint32_t, 3)

static void bad_name(hid_t file)
{
    char name[128] = "\377\376";
    const hid_t set = H5Dopen2(file, "layers/name", H5P_DEFAULT), type = H5Dget_type(set);
    put(file, "layers/name", type, 1, name);
    H5Tclose(type);
    H5Dclose(set);
}

static void values_agree(void **state)
{
    (void)state;
    refused(falling_leaf, PLUMB_ERR_FORMAT, ": /steps/leaf does not rise");
    refused(wrong_first_row, PLUMB_ERR_FORMAT,
            ": /steps/first_row is not the sum of the units before");
    refused(wrong_units, PLUMB_ERR_FORMAT, ": /steps/units does not add up to the rows of /units");
    refused(huge_units, PLUMB_ERR_FORMAT, ": /steps/units has a step of too many units");
    const char *declared =
        ": /steps/units_declared has a step that declares fewer units than it has, or too many";
    refused(declares_none, PLUMB_ERR_FORMAT, declared);
    refused(declares_all, PLUMB_ERR_FORMAT, declared);
    refused(superseded_2, PLUMB_ERR_FORMAT, ": /steps/superseded holds more than 0 and 1");
    const char *offsets = ": /events/offset does not rise from 0 to the end of what it divides";
    refused(text_offset, PLUMB_ERR_FORMAT, offsets);
    refused(text_end, PLUMB_ERR_FORMAT, offsets);
    refused(text_kind, PLUMB_ERR_FORMAT, ": /events/kind holds a kind of another group");
    refused(depth_nan, PLUMB_ERR_FORMAT, ": /layers/depth holds a depth outside 0..1");
    refused(weight_high, PLUMB_ERR_FORMAT, ": /layers/weight holds a number above the rows");
    refused(use_high, PLUMB_ERR_FORMAT, ": /layers/use does not number the uses of each weight");
    refused(uses_high, PLUMB_ERR_FORMAT, ": /layers/n_uses counts other uses than there are");
    refused(bad_name, PLUMB_ERR_FORMAT, ": /layers/name or kind holds a string that is not UTF-8");
}

/* What is loaded when asked for is checked when asked for. */
static void later_values_agree(void **state)
{
    (void)state;
    plumb_error err = {0};
    char want[256];
    const int32_t code = 99;
    const uint64_t row = UINT64_MAX;
    graph_whole(path, 12, 3);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    put(file, "examples/cohort", H5T_NATIVE_INT32, 0, &code);
    put(file, "examples/annotators", H5T_NATIVE_UINT32, 0, &code);
    put(file, "index/by_example_row", H5T_NATIVE_UINT64, 0, &row);
    assert_true(H5Fclose(file) >= 0);
    plumb__h5_reader *reader;
    const char *const *names;
    const uint64_t *offsets;
    const uint32_t *codes;
    uint64_t n;
    assert_int_equal(plumb__h5_open(path, &reader, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_example_strings(reader, "cohort", &names, &err), PLUMB_ERR_FORMAT);
    snprintf(want, sizeof want, "%s: /examples/cohort holds a code that its dictionary lacks",
             path);
    assert_string_equal(err.message, want);
    assert_int_equal(plumb__h5_example_annotators(reader, &offsets, &codes, &names, &n, &err),
                     PLUMB_ERR_FORMAT);
    snprintf(want, sizeof want, "%s: /examples/annotators holds a code that its dictionary lacks",
             path);
    assert_string_equal(err.message, want);
    uint32_t example = 0;
    plumb_status status = PLUMB_OK;
    while (example < GRAPH_EXAMPLES && status == PLUMB_OK)
        status = plumb__h5_example_rows(reader, example++, &offsets, &n, &err);
    assert_int_equal(status, PLUMB_ERR_FORMAT);
    snprintf(want, sizeof want, "%s: /index/by_example_row does not name rising rows of /units",
             path);
    assert_string_equal(err.message, want);
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* ---- the root and the file ---- */

static void schema_1(hid_t file)
{
    const int one = 1;
    const hid_t attribute = H5Aopen(file, "plumb_schema", H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT, &one) >= 0);
    H5Aclose(attribute);
}

static void no_schema(hid_t file)
{
    assert_true(H5Adelete(file, "plumb_schema") >= 0);
}
static void no_run_id(hid_t file)
{
    assert_true(H5Adelete(file, "run_id") >= 0);
}

static void the_root_says_what_it_is(void **state)
{
    (void)state;
    refused(schema_1, PLUMB_ERR_UNSUPPORTED,
            " has schema 1, this version of Plumbline reads schema 2");
    refused(no_schema, PLUMB_ERR_FORMAT,
            " is an HDF5 file, but no Plumbline graph: it has no plumb_schema");
    refused(no_run_id, PLUMB_ERR_FORMAT, ": the run_id is not 32 hex digits");
}

/* A bundle on a read-only medium, under a user who may not write there. */
static void a_read_only_directory_is_no_obstacle(void **state)
{
    (void)state;
    graph_whole(path, 12, 3);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(dir, 0555), 0);
    plumb__h5_reader *reader;
    const plumb_status status = plumb__h5_open(path, &reader, NULL);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(status, PLUMB_OK);
    assert_int_equal(plumb__h5_check_index(reader, NULL), PLUMB_OK);
    plumb__h5_reader_free(reader);
    unlink(path);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(path, sizeof path, "%s/provenance.h5", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(dir); /* fails when a test left a file behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_hard_and_known),
        cmocka_unit_test(a_statement_elsewhere_is_refused),
        cmocka_unit_test(types_are_those_of_the_schema),
        cmocka_unit_test(storage_is_chunked_and_in_the_file),
        cmocka_unit_test(shapes_agree_and_are_bounded),
        cmocka_unit_test(values_agree),
        cmocka_unit_test(later_values_agree),
        cmocka_unit_test(the_root_says_what_it_is),
        cmocka_unit_test(a_read_only_directory_is_no_obstacle),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
