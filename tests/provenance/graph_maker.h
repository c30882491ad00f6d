/* Small graphs for the tests of the HDF5 parts: layers with a tied weight, random steps
 * (step_maker.h), texts, and a manifest that lives in memory. graph_maker.c defines
 * plumb_manifest_describe and plumb_manifest_record itself; a test that links it must not use the
 * real manifest. */
#ifndef PLUMB_TESTS_GRAPH_MAKER_H
#define PLUMB_TESTS_GRAPH_MAKER_H

#include "provenance/bundle.h"
#include "provenance/h5_writer.h"

#define GRAPH_RUN_ID "00112233445566778899aabbccddeeff"
#define GRAPH_SEED 20
#define GRAPH_EXAMPLES 50

struct plumb_manifest {
    uint64_t records;
    const char *long_label; /* of record 3; NULL: an ordinary one */
};

/* Uses 0 and 1 share a weight, as a tied head does; the others stand alone. */
void graph_layers(plumb__layer_row *layers, size_t n);
bool graph_superseded(uint64_t step);
/* n steps at the leaves 2, 4, 6, …; texts at some odd ones. The writer is open. */
plumb__h5_writer *graph_write(const char *path, uint64_t n, uint32_t n_uses);
/* A closed segment; a closed provenance.h5 with GRAPH_EXAMPLES examples and two statements. */
void graph_segment(const char *path, uint64_t n, uint32_t n_uses);
void graph_whole(const char *path, uint64_t n, uint32_t n_uses);

#define GRAPH_CERTIFICATE "{\"payload\":\"e30=\"}\n"
#define GRAPH_ENVELOPE "{\"payloadType\":\"application/vnd.in-toto+json\"}"

/* What record i says, for comparisons. */
void graph_id(uint64_t i, char room[32]);
const char *graph_cohort(uint64_t i); /* NULL: none */
uint32_t graph_annotators(uint64_t i);

#endif
