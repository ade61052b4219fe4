/* Counts what a trace consists of: a pass of its own over the records of each stream, so that the
 * passes which make rows need not look at records that do not concern them. */
#ifndef ETLHEAP_CENSUS_H
#define ETLHEAP_CENSUS_H

#include "base/map.h"
#include "container/etl_trace.h"
#include "model/census.h"

/* Zeroed is empty. */
struct census {
    struct eh_census result; /* its arrays are the ones below */
    struct eh_session *sessions;
    struct eh_record_kind *kinds;
    size_t kind_room;
    struct eh_provider *providers;
    size_t provider_room;
    struct map provider_ids; /* GUID to index + 1 */
    struct map kind_ids;     /* what identifies a kind to index + 1 */
};

/* Fills `c` from an open trace, whose streams stand anywhere afterwards. A sample tells the damage
 * it meets, a whole census leaves that to the survey. 0, or -1 with `e` filled; either way end with
 * census_finish(). */
int census_run(struct census *c, struct etl_trace *t, enum eh_census_extent extent,
               struct eh_error *e);
void census_finish(struct census *c);

#endif
