/* The inside of a graph writer, for the files that fill its parts: h5_writer.c, h5_examples.c,
 * h5_finish.c. */
#ifndef PLUMB_PROVENANCE_H5_WRITER_PARTS_H
#define PLUMB_PROVENANCE_H5_WRITER_PARTS_H

#include "base/file.h"
#include "provenance/h5_common.h"
#include "provenance/h5_driver.h"
#include "provenance/h5_reader.h"
#include "provenance/h5_writer.h"

struct plumb__h5_writer {
    char path[PLUMB__PATH_BYTES], run_id[33];
    plumb__h5_device device;
    hid_t file, groups[PLUMB__H5_GROUPS]; /* <= 0: not open */
    plumb__h5_types types;
    plumb__h5_column columns[PLUMB__H5_COLUMN_COUNT];
    plumb__layer_row *layers;
    size_t n_layers;
    uint64_t n_units, n_steps;
    uint64_t next_leaf; /* smallest that a step may have */
    uint64_t text_next_leaf[PLUMB__H5_TEXT_GROUPS], text_bytes[PLUMB__H5_TEXT_GROUPS];
    bool broken; /* a call failed half way: nothing more is taken */
    bool finished;
};

/* Creates column `id` in its group. string_bytes and expected as in plumb__h5_column_create. */
plumb_status plumb__h5_writer_column(plumb__h5_writer *writer, size_t id, size_t string_bytes,
                                     uint64_t expected, plumb_error *err) PLUMB_MUST_CHECK;
/* The first write that failed, if any; the writer is broken from then on. */
plumb_status plumb__h5_writer_check(plumb__h5_writer *writer, plumb_error *err) PLUMB_MUST_CHECK;
/* Creates groups [first, last). */
plumb_status plumb__h5_writer_groups(plumb__h5_writer *writer, size_t first, size_t last,
                                     plumb_error *err) PLUMB_MUST_CHECK;

/* /examples and /dictionaries. */
plumb_status plumb__h5_write_examples(plumb__h5_writer *writer, const plumb_manifest *manifest,
                                      plumb_error *err) PLUMB_MUST_CHECK;
#endif
