/* The first pass over a trace: who runs in it, what it is called, how much there is. It counts what
 * the container counts and tells its damage; the second pass then knows every name. */
#ifndef ETLHEAP_SURVEY_H
#define ETLHEAP_SURVEY_H

#include "container/etl_trace.h"
#include "model/info.h"
#include "track/images.h"
#include "track/owners.h"
#include "track/stack_keys.h"

struct survey {
    struct etl_trace *trace;
    struct owners *owners;
    struct images *images;
    struct stack_keys *keys;
    struct eh_info *info;
};

/* Fills the owners, images, keys and the counts of `info`. 0, or -1 with `e` filled. */
int survey_run(const struct survey *s, struct eh_error *e);

#endif
