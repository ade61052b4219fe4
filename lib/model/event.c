#include "model/event.h"

static const char *const kind_names[EH_HEAP_KINDS] = {
    [EH_ALLOC] = "alloc",
    [EH_FREE] = "free",
    [EH_REALLOC] = "realloc",
    [EH_CREATE] = "create",
    [EH_DESTROY] = "destroy",
    [EH_EXTEND] = "extend",
    [EH_CONTRACT] = "contract",
    [EH_SNAPSHOT] = "snapshot",
    [EH_COMMIT] = "commit",
    [EH_DECOMMIT] = "decommit",
    [EH_SUBSEGMENT_ALLOC] = "subsegment_alloc",
    [EH_SUBSEGMENT_FREE] = "subsegment_free",
    [EH_SUBSEGMENT_ALLOC_CACHE] = "subsegment_alloc_cache",
    [EH_SUBSEGMENT_FREE_CACHE] = "subsegment_free_cache",
    [EH_SUBSEGMENT_INIT] = "subsegment_init",
    [EH_AFFINITY_ENABLE] = "affinity_enable",
    [EH_SUBSEGMENT_ACTIVATED] = "subsegment_activated",
    [EH_AFFINITY_ASSIGN] = "affinity_assign",
    [EH_REUSE_THRESHOLD_ACTIVATED] = "reuse_threshold_activated",
    [EH_LOCK] = "lock",
    [EH_UNLOCK] = "unlock",
    [EH_VALIDATE] = "validate",
    [EH_WALK] = "walk",
    [EH_UNKNOWN] = "unknown",
};

static const char *const source_names[] = {
    [1] = "lookaside", [2] = "low_fragmentation", [3] = "main_path",
    [4] = "slow_path", [5] = "invalid",           [6] = "segment_heap",
};

const char *eh_kind_name(enum eh_kind kind)
{
    return kind < EH_HEAP_KINDS ? kind_names[kind] : NULL;
}

const char *eh_source_name(uint32_t source)
{
    return source < sizeof source_names / sizeof *source_names ? source_names[source] : NULL;
}
