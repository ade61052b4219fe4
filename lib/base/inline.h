/* For the few functions on the path of every event that a compiler, left alone, would call. The uses
 * were chosen together by counting instructions: one more or less can cost elsewhere, so count again. */
#ifndef ETLHEAP_BASE_INLINE_H
#define ETLHEAP_BASE_INLINE_H

#if defined(__GNUC__)
#define EH_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define EH_ALWAYS_INLINE static inline
#endif

#endif
