/* Every size that an input controls is compared with one of these before memory is asked for.
 * Reaching one is a message and a count, not an abort, wherever going on makes sense. */
#ifndef ETLHEAP_BASE_LIMITS_H
#define ETLHEAP_BASE_LIMITS_H

/* Buffers: container/FORMAT.md 1 and 2 (16 MB is the largest seen, plain or expanded). */
#define LIMIT_BUFFER_BYTES   (64u << 20)
#define LIMIT_EXPANDED_BYTES (64u << 20)
#define LIMIT_EXPANSION      1024u         /* times a buffer's stored bytes: real ones reach 50 */
#define LIMIT_WINDOW_BYTES   (1u << 17)    /* of a plain buffer in memory: two largest records */
#define LIMIT_OPEN_BYTES     (512u << 20)  /* buffers of all processors in memory at one time */
#define LIMIT_PROCESSORS     2048u /* the number's mask 0x07FF */
#define LIMIT_INPUTS         4096u
#define LIMIT_SEGMENTS       4096u /* header buffers of one input */
#define LIMIT_SESSIONS       16384u /* the same over all inputs */

#ifndef ETLHEAP_SMALL_LIMITS
#define LIMIT_BUFFERS        (1u << 26)          /* of one input */
#define LIMIT_UNPACKED_BYTES (UINT64_C(1) << 40) /* spooled from a pipe or out of a zstd stream */

/* What a trace tells of the system. */
#define LIMIT_PROCESSES      (1u << 20)
#define LIMIT_THREADS        (1u << 22)
#define LIMIT_HEAPS          (1u << 22)
#define LIMIT_NAME_BYTES     4096u /* one name, UTF-8 */
#define LIMIT_STRING_BYTES   (256u << 20)
#define LIMIT_IMAGES         (1u << 22)
#define LIMIT_VOLUMES        (1u << 16)
#define LIMIT_STACK_FRAMES   1024u
#define LIMIT_STACKS         (1u << 24)
#define LIMIT_FRAMES         (1u << 28)
#define LIMIT_KEYS           (1u << 24) /* definitions of stack keys */
#define LIMIT_KEY_BYTES      (1u << 30) /* all of them */
#define LIMIT_LIVE_BLOCKS    0xFFFFFFF0u /* EH_MAX_LIVE */
#else /* for tests of what happens there */
#define LIMIT_BUFFERS        20u
#define LIMIT_UNPACKED_BYTES (UINT64_C(1) << 20)
#define LIMIT_PROCESSES      4u /* with process 0, which is nobody */
#define LIMIT_THREADS        4u
#define LIMIT_HEAPS          4u
#define LIMIT_NAME_BYTES     64u
#define LIMIT_STRING_BYTES   512u
#define LIMIT_IMAGES         4u
#define LIMIT_VOLUMES        3u
#define LIMIT_STACK_FRAMES   8u
#define LIMIT_STACKS         5u
#define LIMIT_FRAMES         64u
#define LIMIT_KEYS           3u
#define LIMIT_KEY_BYTES      4096u
#define LIMIT_LIVE_BLOCKS    16u
#endif
#define LIMIT_INTERNED_BYTES (128u << 20) /* frames and modules defined in a Perfetto trace */
#define LIMIT_STACK_TEXT     (64u << 10) /* bytes after which a stack's text has no other frame */
#define LIMIT_HEAPS_DUMPED   1024u /* have every dump, with a profile per heap; of more, who changed */
#define LIMIT_RECORD_KINDS   (1u << 16) /* kinds of records, and providers, that are told apart */

/* Events that wait for their stack, and what is remembered meanwhile. */
#ifndef ETLHEAP_SMALL_WINDOWS
#define LIMIT_PENDING_EVENTS (1u << 17)
#define LIMIT_PENDING_STACKS (1u << 16)
#define LIMIT_MET_STACKS     (1u << 16) /* twice as many as are remembered at one time */
#define LIMIT_MET_BYTES      (8u << 20) /* all of them */
#define LIMIT_RECENT_SETS    (1u << 16)
#else /* for fuzzers: their inputs of a few KiB fill these, and they are set up for every one */
#define LIMIT_PENDING_EVENTS (1u << 10)
#define LIMIT_PENDING_STACKS (1u << 5)
#define LIMIT_MET_STACKS     (1u << 6)
#define LIMIT_MET_BYTES      (1u << 14)
#define LIMIT_RECENT_SETS    (1u << 6)
#endif

/* Times in rows and in the info lie this far from their zero at most (146 years), so that sums and
 * differences of two of them fit in 64 bits. */
#define LIMIT_TIME_NS        ((INT64_C(1) << 62) - 1)

#endif
