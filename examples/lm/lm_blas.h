/* How plumb-lm uses its BLAS: one thread per call, from as many threads of plumb's pool as there
 * are. */
#ifndef LM_BLAS_H
#define LM_BLAS_H

/* May replace the process by itself (see lm_blas.c); call it first thing in main. */
void lm_blas_prepare(char **argv);

#endif
