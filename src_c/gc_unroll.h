/* Repetition by the preprocessor: every accumulator must be a variable with a name.
 *
 * GCC 12 keeps the elements of an unrolled array of vectors on the stack, at a third of the speed. */
#ifndef GC_UNROLL_H
#define GC_UNROLL_H

#define GC_PASTE_(a, b) a##b
#define GC_PASTE(a, b) GC_PASTE_(a, b)

/* GC_EACH(3)(OP): OP(0) OP(1) OP(2) */
#define GC_EACH(n) GC_PASTE(GC_EACH_, n)
#define GC_EACH_1(OP) OP(0)
#define GC_EACH_2(OP) GC_EACH_1(OP) OP(1)
#define GC_EACH_3(OP) GC_EACH_2(OP) OP(2)
#define GC_EACH_4(OP) GC_EACH_3(OP) OP(3)
#define GC_EACH_5(OP) GC_EACH_4(OP) OP(4)
#define GC_EACH_6(OP) GC_EACH_5(OP) OP(5)
#define GC_EACH_7(OP) GC_EACH_6(OP) OP(6)
#define GC_EACH_8(OP) GC_EACH_7(OP) OP(7)

/* GC_CELLS(3)(OP, r): OP(r, 0) OP(r, 1) OP(r, 2); a second family, since a macro does not expand within itself */
#define GC_CELLS(n) GC_PASTE(GC_CELLS_, n)
#define GC_CELLS_1(OP, r) OP(r, 0)
#define GC_CELLS_2(OP, r) GC_CELLS_1(OP, r) OP(r, 1)
#define GC_CELLS_3(OP, r) GC_CELLS_2(OP, r) OP(r, 2)
#define GC_CELLS_4(OP, r) GC_CELLS_3(OP, r) OP(r, 3)
#define GC_CELLS_5(OP, r) GC_CELLS_4(OP, r) OP(r, 4)
#define GC_CELLS_6(OP, r) GC_CELLS_5(OP, r) OP(r, 5)
#define GC_CELLS_7(OP, r) GC_CELLS_6(OP, r) OP(r, 6)
#define GC_CELLS_8(OP, r) GC_CELLS_7(OP, r) OP(r, 7)

#endif
