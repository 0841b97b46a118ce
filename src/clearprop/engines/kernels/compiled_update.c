/* The update rules of nn/optimizers.py in one pass over memory each, for numbers of the type REAL.

   NumPy makes a pass for each operation, ten for Adam, and memory bandwidth limits them. These functions do
   the same operations in the same order, each rounded by itself (-ffp-contract=off), so that the results are
   the same to the last bit. compiled_update.py checks that before it uses them.

   "keep" multiplies a parameter for decoupled weight decay, and is 1 otherwise; for coupled weight decay,
   "decay" times the parameter is added to the gradient if it is not 0. The gradient is set to zero, ready to
   be added to. */

#include <stddef.h>
#include <tgmath.h>

#define ARRAY REAL *restrict
#define GRADIENT(i) (decay != 0 ? gradient[i] + parameter[i] * decay : gradient[i])

void sgd(size_t n, REAL keep, REAL decay, ARRAY parameter, ARRAY gradient, REAL learning_rate)
{
    for (size_t i = 0; i < n; i++) {
        parameter[i] = parameter[i] * keep - GRADIENT(i) * learning_rate;
        gradient[i] = 0;
    }
}

void momentum(size_t n, REAL keep, REAL decay, ARRAY parameter, ARRAY gradient, ARRAY velocity,
              REAL momentum, REAL learning_rate)
{
    for (size_t i = 0; i < n; i++) {
        velocity[i] = velocity[i] * momentum + GRADIENT(i);
        parameter[i] = parameter[i] * keep - velocity[i] * learning_rate;
        gradient[i] = 0;
    }
}

void nesterov(size_t n, REAL keep, REAL decay, ARRAY parameter, ARRAY gradient, ARRAY velocity,
              REAL momentum, REAL learning_rate)
{
    for (size_t i = 0; i < n; i++) {
        REAL g = GRADIENT(i);
        velocity[i] = velocity[i] * momentum + g;
        parameter[i] = parameter[i] * keep - (velocity[i] * momentum + g) * learning_rate;
        gradient[i] = 0;
    }
}

void adam(size_t n, REAL keep, REAL decay, ARRAY parameter, ARRAY gradient, ARRAY mean, ARRAY square,
          REAL beta_1, REAL beta_2, REAL epsilon, REAL scale)
{
    for (size_t i = 0; i < n; i++) {
        REAL g = GRADIENT(i);
        mean[i] = mean[i] * beta_1 + g;
        square[i] = square[i] * beta_2 + g * g;
        parameter[i] = parameter[i] * keep - mean[i] / (sqrt(square[i]) + epsilon) * scale;
        gradient[i] = 0;
    }
}
