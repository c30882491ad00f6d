#include "provenance/h5_schema.h"
#include "provenance/payload.h"

#include <string.h>

#define LONG_AGO "ns since 1970-01-01T00:00:00Z"

/* One line a dataset, so that table and docs/formats/graph.md can be laid side by side. */
#define COLUMN(group, name, type, rows, width, units, description)                                 \
    {                                                                                              \
        group, name, PLUMB__H5_##type, PLUMB__H5_ROWS_##rows, 0, PLUMB__H5_##width, 0, 0, units,   \
            description                                                                            \
    }
#define OFFSETS(group, name, rows, units, description)                                             \
    {                                                                                              \
        group, name, PLUMB__H5_U64, PLUMB__H5_ROWS_##rows, 1, PLUMB__H5_ONE, 0, 0, units,          \
            description                                                                            \
    }
#define STRINGS(group, name, rows, max, description)                                               \
    {                                                                                              \
        group, name, PLUMB__H5_STRING, PLUMB__H5_ROWS_##rows, 0, PLUMB__H5_ONE,                    \
            PLUMB__H5_MAX_EXAMPLES, max, "text", description                                       \
    }
#define LIST(group, name, type, max, units, description)                                           \
    {                                                                                              \
        group, name, PLUMB__H5_##type, PLUMB__H5_ROWS_OWN, 0, PLUMB__H5_ONE, max, 0, units,        \
            description                                                                            \
    }

#define TEXT_GROUP(group, rows, what)                                                              \
    COLUMN(group, "leaf", U64, rows, ONE, "leaf number", "leaf of the run's tree, rising"),        \
        COLUMN(group, "time", I64, rows, ONE, LONG_AGO, "wall clock; not part of the leaf"),       \
        COLUMN(group, "kind", U8, rows, ONE,                                                       \
               "0 run, 2 event, 3 checkpoint, 4 rewind, 5 inventory, 6 decision", "kind of leaf"), \
        OFFSETS(group, "offset", rows, "bytes", "payload i is payload[offset[i]:offset[i+1]]"),    \
        LIST(group, "payload", U8, PLUMB__H5_MAX_TEXT_BYTES, "bytes", what)

#define CODED(name, description)                                                                   \
    COLUMN("examples", name, I32, EXAMPLES, ONE, "row of /dictionaries/" name ", -1: none",        \
           description)
#define DICTIONARY(name, description)                                                              \
    STRINGS("dictionaries", name, OWN, PLUMB__H5_MAX_STRING, description)

const plumb__h5_spec plumb__h5_specs[PLUMB__H5_COLUMN_COUNT] = {
    STRINGS("layers", "name", LAYERS, 127, "name of the layer; one row per use of its weight"),
    STRINGS("layers", "kind", LAYERS, 15, "linear, embedding, norm or bias"),
    COLUMN("layers", "depth", F64, LAYERS, ONE, "0..1",
           "depth of this use, at which masks are taken"),
    COLUMN("layers", "rows", U64, LAYERS, ONE, "rows", "rows of the weight"),
    COLUMN("layers", "cols", U64, LAYERS, ONE, "columns", "columns of the weight"),
    COLUMN("layers", "params", U64, LAYERS, ONE, "parameters", "size of the weight"),
    COLUMN("layers", "weight", U32, LAYERS, ONE, "weight number",
           "rows with the same number are uses of one weight"),
    COLUMN("layers", "use", U32, LAYERS, ONE, "use number",
           "which use of the weight this is, from 0"),
    COLUMN("layers", "n_uses", U32, LAYERS, ONE, "uses", "how many uses the weight has"),

    COLUMN("steps", "leaf", U64, STEPS, ONE, "leaf number",
           "leaf of the run's tree that commits to this step, rising"),
    COLUMN("steps", "step", U64, STEPS, ONE, "step", "number of the optimizer step, from 1"),
    COLUMN("steps", "first_row", U64, STEPS, ONE, "row of /units", "first unit of this step"),
    COLUMN("steps", "fingerprint", U64, STEPS, ONE, "bits",
           "fingerprint of the updated parameters, 0: not computed"),
    COLUMN("steps", "attempt", U32, STEPS, ONE, "attempt", "rises with every resume"),
    COLUMN("steps", "units", U32, STEPS, ONE, "units", "units of this step"),
    COLUMN("steps", "units_declared", U32, STEPS, ONE, "units",
           "units that the step declared, empty slots included"),
    COLUMN("steps", "micro_batches", U32, STEPS, ONE, "micro-batches",
           "micro-batches of this step"),
    COLUMN("steps", "n_scalars", U32, STEPS, ONE, "scalars",
           "how many of the row of scalars count"),
    COLUMN("steps", "superseded", U8, STEPS, ONE, "0 or 1",
           "1: a later rewind undid this step; leave it out of sums"),
    COLUMN("steps", "time", I64, STEPS, ONE, LONG_AGO, "wall clock; not part of the leaf"),
    COLUMN("steps", "loss", F64, STEPS, ONE, "nats", "loss of the step"),
    COLUMN("steps", "lr", F64, STEPS, ONE, "1", "learning rate"),
    COLUMN("steps", "normaliser", F64, STEPS, ONE, "rows or units",
           "what the summed gradient was divided by"),
    COLUMN("steps", "loss_scale", F64, STEPS, ONE, "1",
           "loss scale; norms and spends do not carry it"),
    COLUMN("steps", "scalars", F64, STEPS, SCALARS, "as the trainer says", "optimizer scalars"),
    COLUMN("steps", "live", U8, STEPS, USES, "0 or 1", "1: the optimizer stepped this layer"),

    COLUMN("units", "example", I32, UNITS, ONE, "row of /examples, -1: not in the manifest",
           "the example"),
    COLUMN("units", "segment", I32, UNITS, ONE, "segment, -1: whole, -2: rest",
           "segment of the example"),
    COLUMN("units", "micro_batch", U16, UNITS, ONE, "micro-batch",
           "micro-batch of the step, from 0"),
    COLUMN("units", "rows", U16, UNITS, ONE, "rows", "token positions; 65535 stands for more"),
    COLUMN("units", "weight", F32, UNITS, ONE, "1",
           "weight of record times segment as applied; 0 when rejected"),
    COLUMN("units", "loss", F32, UNITS, ONE, "nats", "unweighted loss summed over the rows"),
    COLUMN("units", "entropy", F32, UNITS, ONE, "nats", "mean predictive entropy of the rows"),
    COLUMN("units", "decision", U8, UNITS, ONE, "0 admitted, 1 modulated, 2 rejected", "admission"),
    COLUMN("units", "reason", U8, UNITS, ONE, "code",
           "reason of the admission (docs/formats/bundle.md)"),
    COLUMN("units", "checked", U8, UNITS, ONE, "0 or 1", "1: the content digest was compared"),
    COLUMN("units", "band", U8, UNITS, ONE, "0 none, 1 low, 2 mid, 3 high",
           "entropy band by the policy's thresholds, at which masks were taken"),

    COLUMN("edges", "norm", NORM16, UNITS, USES, "gradient norm",
           "norm of the unit's gradient at the use, rounded up; 0 where mask is 0"),
    COLUMN("edges", "mask", F16, UNITS, USES, "1", "mask as enforced, rounded down"),
    COLUMN("edges", "clip", F16, UNITS, USES, "1",
           "clip as enforced, rounded down; 1 where mask is 0"),
    COLUMN("edges", "norm_kind", U8, UNITS, USES, "0 none, 1 exact, 2 bound",
           "how far the norm may be relied on"),

    COLUMN("entropy", "nu", F64, STEPS, USES, "gradient norm", "reference scale in force"),
    COLUMN("entropy", "budget", F64, STEPS, USES, "nats", "limit per layer and step, inf: none"),
    COLUMN("entropy", "spent", F64, STEPS, USES, "nats", "spent in this step"),
    COLUMN("entropy", "contribution", F32, STEPS, USES, "nats",
           "contribution entropy: low means that few units write the layer"),

    TEXT_GROUP("events", EVENTS, "canonical JSON of events and rewinds, concatenated"),
    TEXT_GROUP("checkpoints", CHECKPOINTS, "canonical JSON of checkpoints, concatenated"),
    TEXT_GROUP("seals", SEALS, "inventories, concatenated"),
    TEXT_GROUP("decisions", DECISIONS, "canonical JSON of decisions, concatenated"),

    STRINGS("examples", "id", EXAMPLES, PLUMB__H5_MAX_STRING,
            "id of the record; the order is that of the manifest"),
    CODED("label", "label"),
    CODED("batch", "task batch"),
    CODED("cohort", "annotator cohort"),
    CODED("rubric", "rubric"),
    CODED("domain", "domain"),
    CODED("source", "label source"),
    CODED("template", "prompt template"),
    CODED("parent", "id of the record this one was made from"),
    CODED("profile", "depth profile, canonical JSON"),
    CODED("licence", "licence"),
    CODED("marking", "marking of machine-made content"),
    CODED("component", "component of its template that the record is, for its parent"),
    OFFSETS("examples", "annotators_offset", EXAMPLES, "row of /examples/annotators",
            "annotators of i are annotators[annotators_offset[i]:annotators_offset[i+1]]"),
    LIST("examples", "annotators", U32, PLUMB__H5_MAX_EXAMPLES, "row of /dictionaries/annotators",
         "annotators of the examples one after the other"),
    COLUMN("examples", "quality", F64, EXAMPLES, ONE, "1, NaN: not stated",
           "quality that the vendor states"),
    COLUMN("examples", "weight", F64, EXAMPLES, ONE, "1",
           "weight of the loss, with the record's share among the components of its parent"),
    COLUMN("examples", "step_budget", F64, EXAMPLES, ONE, "nats, NaN: not stated",
           "limit per unit, layer and step"),
    COLUMN("examples", "run_budget", F64, EXAMPLES, ONE, "nats, NaN: not stated",
           "limit per layer over the run"),
    COLUMN("examples", "sha256", U8, EXAMPLES, DIGEST, "bytes",
           "SHA-256 of the content, zeros: none"),
    OFFSETS("examples", "segments_offset", EXAMPLES, "row of /segments",
            "segments of i are the rows segments_offset[i]:segments_offset[i+1] of /segments"),
    COLUMN("segments", "kind", U8, SEGMENTS, ONE, "0 bytes, 1 message, 2 part",
           "what from and to count"),
    COLUMN("segments", "from", U64, SEGMENTS, ONE, "bytes, message or part",
           "first byte; number of the message; 0 prompt, 1 chosen, 2 rejected"),
    COLUMN("segments", "to", U64, SEGMENTS, ONE, "bytes, message or part", "one past the last"),
    COLUMN("segments", "weight", F64, SEGMENTS, ONE, "1",
           "its share of the record's loss, after recombination"),
    COLUMN("segments", "profile", I32, SEGMENTS, ONE, "row of /dictionaries/profile",
           "depth profile of the segment"),
    COLUMN("segments", "component", I32, SEGMENTS, ONE, "row of /dictionaries/component, -1: none",
           "component of the record's template"),
    OFFSETS("segments", "annotators_offset", SEGMENTS, "row of /segments/annotators",
            "annotators of s are annotators[annotators_offset[s]:annotators_offset[s+1]]"),
    LIST("segments", "annotators", U32, PLUMB__H5_MAX_EXAMPLES, "row of /dictionaries/annotators",
         "annotators of the segments one after the other, their own or the record's"),
    DICTIONARY("label", "labels"),
    DICTIONARY("batch", "task batches"),
    DICTIONARY("cohort", "annotator cohorts"),
    DICTIONARY("rubric", "rubrics"),
    DICTIONARY("domain", "domains"),
    DICTIONARY("source", "label sources"),
    DICTIONARY("template", "prompt templates"),
    DICTIONARY("parent", "parent records"),
    DICTIONARY("profile", "depth profiles"),
    DICTIONARY("licence", "licences"),
    DICTIONARY("marking", "markings"),
    DICTIONARY("component", "components of templates"),
    DICTIONARY("annotators", "annotators"),
    COLUMN("ledger", "spend", F32, EXAMPLES, USES, "nats",
           "spend of (example, use) over the run, superseded steps left out; sums rounded up"),
    OFFSETS("index", "by_example_offset", EXAMPLES, "row of /index/by_example_row",
            "rows of example i are by_example_row[by_example_offset[i]:by_example_offset[i+1]]"),
    COLUMN("index", "by_example_row", U64, KNOWN, ONE, "row of /units",
           "units by example, superseded steps included"),
    COLUMN("index", "norm", NORM16, KNOWN, USES, "gradient norm",
           "edges/norm in the order of by_example_row"),
    COLUMN("index", "mask", F16, KNOWN, USES, "1", "edges/mask in the order of by_example_row"),
    COLUMN("index", "clip", F16, KNOWN, USES, "1", "edges/clip in the order of by_example_row"),
};

const plumb__h5_spec plumb__h5_statement_spec =
    LIST("statements", "", U8, PLUMB__H5_MAX_STATEMENT_BYTES, "bytes",
         "exact bytes of the file of this name");

const plumb__h5_group_spec plumb__h5_groups[PLUMB__H5_GROUPS] = {
    {"layers", "governed layers, one row per use of a weight"},
    {"steps", "optimizer steps in the order of their leaves"},
    {"units", "one row per unit and step, step after step"},
    {"edges", "(unit, use): amplitude = mask * clip * norm, spend = amplitude^2 / (2 nu^2) nats"},
    {"entropy", "(step, use): reference scale, limit, spend, contribution entropy"},
    {"events", "events and rewinds"},
    {"checkpoints", "checkpoints"},
    {"seals", "inventories of the seals"},
    {"decisions", "decisions of people"},
    {"examples", "records of the manifest, in its order"},
    {"segments", "parts of examples with terms of their own"},
    {"dictionaries", "the strings behind the codes of /examples"},
    {"ledger", "what each example spent over the run"},
    {"index", "units and edges by example"},
    {"statements", "signed statements, exact bytes"},
};

size_t plumb__h5_width_of(plumb__h5_width width, size_t n_uses)
{
    switch (width) {
    case PLUMB__H5_USES: return n_uses;
    case PLUMB__H5_SCALARS: return PLUMB__MAX_SCALARS;
    case PLUMB__H5_DIGEST: return 32;
    case PLUMB__H5_ONE: break;
    }
    return 1;
}

size_t plumb__h5_find(const char *group, const char *name)
{
    for (size_t i = 0; i < PLUMB__H5_COLUMN_COUNT; i++) {
        const plumb__h5_spec *spec = &plumb__h5_specs[i];
        if (strcmp(spec->group, group) == 0 && strcmp(spec->name, name) == 0) return i;
    }
    return PLUMB__H5_COLUMN_COUNT;
}
