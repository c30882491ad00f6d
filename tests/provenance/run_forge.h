/* A small run made through the bundle API alone, step by step as the runtime would: masks from the
 * manifest, clips from the budget solver, ledger and scales by account.h. A forger may put a hand
 * in before a step is encoded and signed with the operator's own keys. */
#ifndef PLUMB_TESTS_RUN_FORGE_H
#define PLUMB_TESTS_RUN_FORGE_H

#include "../manifest/manifest_fixture.h"

#include "manifest/policy.h"
#include "provenance/account.h"
#include "step_maker.h"

#define FORGE_RECORDS 12
#define FORGE_USES 4 /* token.weight twice, blocks.0.attn.q.weight, blocks.3.mlp.up.weight */
#define FORGE_WEIGHTS 3
#define FORGE_UNITS 8 /* of a step, in two micro-batches; the last one is in no manifest */

typedef struct forge {
    fixture *f; /* f->other is the operator */
    plumb_trust *trust;
    plumb_manifest *manifest;
    plumb__policy policy;
    plumb__layer_row layers[FORGE_USES];
    char run_id[33], name[64]; /* name: of the bundle's directory */
    plumb__bytes run_json;

    plumb__bundle *bundle;
    plumb__account *account;
    float ledger[FORGE_RECORDS * FORGE_USES], saved_ledger[FORGE_RECORDS * FORGE_USES];
    double ema2[FORGE_WEIGHTS], saved_ema2[FORGE_WEIGHTS];
    uint32_t attempt;
    made_step made;
    uint8_t limit[FORGE_UNITS * FORGE_USES]; /* plumb__limit of each edge of it */

    void (*alter)(struct forge *forge); /* puts a hand on forge->made; NULL: honest */
    bool settle; /* after it, spent, contribution and live are made to fit again */
} forge;

/* For cmocka's group. */
int forge_setup(void **state);
int forge_teardown(void **state);

/* Creates dir/NAME with checkpoint 0. */
void forge_start(forge *forge, const char *name);
/* One step; the numbers of a step depend on `step` alone. */
void forge_step(forge *forge, uint64_t step);
/* Writes and records checkpoints/step-N.safetensors; ledger and scales are kept for a rewind. */
void forge_checkpoint(forge *forge, uint64_t step);
/* Lets go of the bundle without closing it. */
void forge_stop(forge *forge);
/* Opens it again and goes back from `from` to the checkpoint at `to`. */
void forge_resume(forge *forge, const char *name, uint64_t from, uint64_t to);
/* Closes the run. */
void forge_close(forge *forge);
/* Steps 1..6 with a checkpoint after 3, closed; returns its path (of fixture_path). */
const char *forge_whole(forge *forge, const char *name);

#endif
