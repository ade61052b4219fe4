/* What the demo tells: who runs, which modules are loaded, who allocates what, when and for how
 * long. Tables only; gen_demo.c plays them. */
#ifndef ETLHEAP_TOOLS_DEMO_STORY_H
#define ETLHEAP_TOOLS_DEMO_STORY_H

#include <stddef.h>
#include <stdint.h>

enum { DEMO_MS = 8000, UPDATER_FROM_MS = 2000, UPDATER_TO_MS = 6000, SPELL_FROM_MS = 3000,
       SPELL_TO_MS = 5000, FOREVER = 0 };

enum demo_process { EDITOR_PROCESS, UPDATER_PROCESS, DEMO_PROCESSES };

enum demo_thread { MAIN_THREAD, LAYOUT_THREAD, RENDER_THREAD, UPDATER_THREAD, DEMO_THREADS };

enum demo_heap { DEFAULT_HEAP, DOCUMENT_HEAP, SPELL_HEAP, UPDATER_HEAP, DEMO_HEAPS };

enum demo_module {
    NTOSKRNL,
    NTDLL,
    KERNEL32,
    KERNELBASE,
    UCRTBASE,
    EDITOR,
    ENGINE,
    LAYOUT,
    SPELL,
    UPDATER,
    WINHTTP,
    DEMO_MODULES
};

/* A return address: the module in the top byte, the offset in it below. */
#define FRAME(module, rva) ((uint32_t)(module) << 24 | (uint32_t)(rva))
#define FRAME_MODULE(frame) ((frame) >> 24)
#define FRAME_RVA(frame)    ((frame) & 0xFFFFFFu)

struct demo_thread_facts {
    enum demo_process process;
    uint32_t tid;
    const char *name;  /* NULL: without */
    uint32_t root[5];  /* the outermost frames, innermost first, 0 behind the last */
};

struct demo_heap_facts {
    enum demo_process process;
    uint64_t handle;
    uint32_t small_source, flags; /* source of blocks that the main path does not serve */
};

struct demo_module_facts {
    const char *path, *pdb;
    uint64_t base, size;
    uint32_t time_stamp;
    uint32_t processes; /* bit set of enum demo_process; 0: kernel */
};

/* How a call site gets to the heap: its innermost frames. */
enum demo_entry { BY_HEAP_ALLOC, BY_LOCAL_ALLOC, BY_MALLOC, BY_NEW, BY_REALLOC, DEMO_ENTRIES };

enum demo_habit {
    ORDINARY,
    LOOKASIDE, /* served from the lookaside list */
    RESIZING,  /* grows each block in place once */
    FAILING,   /* asks for too much */
    DOUBLING,  /* one buffer, moved to twice its size again and again */
};

enum { SITE_FRAMES = 9, ENTRY_FRAMES = 4 };

struct demo_site {
    enum demo_thread thread;
    enum demo_heap heap;
    enum demo_entry entry;
    enum demo_habit habit;
    uint32_t rate;      /* allocs per second */
    uint32_t low, high; /* bytes asked for; doubling: first and last size */
    uint32_t life_ms;   /* mean; FOREVER: never freed */
    uint32_t frames[SITE_FRAMES]; /* between entry and root, innermost first, 0 behind the last */
};

extern const struct demo_thread_facts demo_threads[DEMO_THREADS];
extern const struct demo_heap_facts demo_heaps[DEMO_HEAPS];
extern const struct demo_module_facts demo_modules[DEMO_MODULES];
extern const uint32_t demo_entries[DEMO_ENTRIES][ENTRY_FRAMES];
extern const struct demo_site demo_sites[];
extern const size_t demo_site_count;

#endif
