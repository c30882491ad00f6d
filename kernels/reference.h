/* Plain float64 versions of every kernel: what the formulas say, one loop per sum, no blocking, no
 * threads, no tricks. Tests and known-answer checks compare with them. They share the argument
 * structs; results go to double arrays of the shape of the float ones (dW dense: stride = its
 * width). */
#ifndef PLUMB_KERNELS_REFERENCE_H
#define PLUMB_KERNELS_REFERENCE_H

#include "kernels/wgrad.h"
#include "kernels/xent.h"

/* unit_grad (out, in) = Y_u^T X_u of one unit; returns its squared norm. */
double plumb__ref_unit_grad(const plumb__wgrad_args *args, size_t unit, double *unit_grad);

/* dw (out, in) += sum of weight * unit gradient over units with weight != 0 that are not withheld
 * and not in `skip` (NULL: none); norm2 (NULL: not wanted) for all units with weight != 0.
 * `scratch` holds out x in doubles. */
void plumb__ref_wgrad(const plumb__wgrad_args *args, const bool *skip, double *dw, double *norm2,
                      double *scratch);

/* dw (vocabulary, width), scratch of the same size. */
void plumb__ref_embed_grad(const plumb__embed_args *args, const bool *skip, double *dw,
                           double *norm2, double *scratch);

/* dgain, dbias (width), either may be NULL where the args' one is. */
void plumb__ref_vector_grad(const plumb__vector_args *args, const bool *skip, double *dgain,
                            double *dbias, double *norm2);

/* dlogits (rows, vocabulary), loss, entropy (rows). */
void plumb__ref_xent(const plumb__xent_args *args, double *dlogits, double *loss, double *entropy);

#endif
