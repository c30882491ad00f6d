/* The inside of a graph reader, for the files that read its parts. */
#ifndef PLUMB_PROVENANCE_H5_READER_PARTS_H
#define PLUMB_PROVENANCE_H5_READER_PARTS_H

#include "base/file.h"
#include "provenance/h5_driver.h"
#include "provenance/h5_inspect.h"
#include "provenance/h5_reader.h"

/* Steps read ahead: rows of the columns from STEPS_LEAF to ENTROPY_CONTRIBUTION. */
typedef struct plumb__h5_block {
    uint64_t first, n; /* steps; n == 0: nothing read */
    uint64_t next;     /* the step that a walk upward asks for next */
    uint8_t *data[PLUMB__H5_TEXTS];
    size_t capacity[PLUMB__H5_TEXTS];
} plumb__h5_block;

/* Strings of one column, one after the other, and a pointer to each. */
typedef struct plumb__h5_strings {
    const char **at; /* NULL: not loaded */
    char *bytes;
    size_t n;
} plumb__h5_strings;

struct plumb__h5_reader {
    char path[PLUMB__PATH_BYTES];
    plumb__h5_device device; /* fd < 0 when the file is a writer's */
    hid_t file;
    bool own_file; /* false: the file of a writer that reads back */
    plumb__h5_types types;
    plumb__h5_column columns[PLUMB__H5_COLUMN_COUNT];
    plumb__h5_shape shape;
    plumb__layer_row *layers;
    plumb__h5_step_row *steps;
    plumb__h5_text *texts;
    size_t n_texts;
    char *text_bytes[PLUMB__H5_TEXT_GROUPS];
    plumb__h5_block block;
    plumb__h5_strings ids, dictionaries[PLUMB__H5_CODED + 1];
    const char **coded[PLUMB__H5_CODED]; /* of each example, resolved; NULL: not loaded */
    uint64_t *annotator_offsets;
    uint32_t *annotator_codes;
    plumb__h5_segments *segments; /* NULL: not loaded */
    uint64_t *index_offsets;
    uint64_t *rows;
    size_t rows_capacity;
    uint8_t *statements[PLUMB__H5_MAX_STATEMENTS];
    size_t statement_bytes[PLUMB__H5_MAX_STATEMENTS], n_statements;
    char statement_names[PLUMB__H5_MAX_STATEMENTS][128];
};

/* A reader over the open file of a writer, which stays the writer's. */
plumb_status plumb__h5_reader_attach(hid_t file, const char *path, plumb__h5_reader **reader,
                                     plumb_error *err) PLUMB_MUST_CHECK;

/* "PATH: /group/name WHY", PLUMB_ERR_FORMAT. */
plumb_status plumb__h5_refuse(const plumb__h5_reader *reader, size_t id, const char *why,
                              plumb_error *err);
/* The whole column `id` into new memory. */
plumb_status plumb__h5_load(plumb__h5_reader *reader, size_t id, void *out_pointer,
                            plumb_error *err) PLUMB_MUST_CHECK;
/* The strings of a column: well-formed UTF-8, each with its NUL. */
plumb_status plumb__h5_load_strings(plumb__h5_reader *reader, size_t id, plumb__h5_strings *strings,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_strings_free(plumb__h5_strings *strings);
/* CSR offsets: from 0, never falling, ending at `end`. */
plumb_status plumb__h5_check_offsets(const plumb__h5_reader *reader, size_t id,
                                     const uint64_t *offsets, uint64_t n, uint64_t end,
                                     plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_block_free(plumb__h5_block *block);
/* What only a graph with examples has: PLUMB_ERR_NOT_FOUND in a segment. */
plumb_status plumb__h5_need_whole(const plumb__h5_reader *reader,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* The strings behind the codes of a column, through dictionary i: values is new memory, its strings
 * are borrowed; "" for -1. */
plumb_status plumb__h5_resolve_codes(plumb__h5_reader *reader, size_t id, size_t i, size_t n,
                                     const char ***values, plumb_error *err) PLUMB_MUST_CHECK;
/* Codes of /dictionaries/annotators in the column `id`, and the offsets of n lists of them. */
plumb_status plumb__h5_load_lists(plumb__h5_reader *reader, size_t id, size_t offset_id, uint64_t n,
                                  uint64_t **offsets, uint32_t **codes,
                                  plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_segments_free(plumb__h5_segments *segments);
/* What h5_reader_examples.c has loaded. */
void plumb__h5_reader_free_examples(plumb__h5_reader *reader);

#endif
