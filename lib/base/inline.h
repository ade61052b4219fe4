/* For the few functions on the path of every event that a compiler, left alone, would call, and for
 * the exceptions on that path (EH_RARE) that it would inline, which takes registers from the path.
 * The uses were chosen together by counting instructions: one more or less can cost elsewhere, so
 * count again. */
#ifndef ETLHEAP_BASE_INLINE_H
#define ETLHEAP_BASE_INLINE_H

#if defined(__GNUC__)
#define EH_ALWAYS_INLINE static inline __attribute__((always_inline))
#define EH_RARE          __attribute__((cold, noinline))
/* The same for what is not rare enough to be made small and slow: one call of ten or twenty. */
#define EH_APART         __attribute__((noinline))
/* A loop in a function of its own has all registers. */
#define EH_NEVER_INLINE static __attribute__((noinline))
/* Not in a function that does nothing else and is called: gcc leaves such calls out. */
#define EH_PREFETCH(address) __builtin_prefetch(address)
#else
#define EH_ALWAYS_INLINE static inline
#define EH_RARE
#define EH_APART
#define EH_NEVER_INLINE static
#define EH_PREFETCH(address) ((void)(address))
#endif

#endif
