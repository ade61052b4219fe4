/* For the few functions on the path of every event that a compiler, left alone, would call. Each use
 * was measured to save instructions. */
#ifndef ETLHEAP_BASE_INLINE_H
#define ETLHEAP_BASE_INLINE_H

#if defined(__GNUC__)
#define EH_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define EH_ALWAYS_INLINE static inline
#endif

#endif
