/* What `etlgen graft` wants to know of a real trace: its range in time, its processors, and the
 * processes that run in it with their threads and images. Only the last session of an append-mode
 * file counts: what is added at the end belongs to it. */
#ifndef ETLHEAP_TOOLS_GRAFT_SURVEY_H
#define ETLHEAP_TOOLS_GRAFT_SURVEY_H

#include "container/etl_file.h"

enum { GRAFT_THREADS = 4, GRAFT_IMAGES = 16, GRAFT_NAME = 64 };

struct graft_image {
    uint64_t base, size;
    bool ntdll;
};

struct graft_process {
    uint32_t pid;
    bool wow64;
    bool passing; /* starts or ends during the trace */
    unsigned pointer_size;
    int64_t from, to; /* raw times between which all its images are loaded */
    uint32_t tids[GRAFT_THREADS];
    unsigned tid_count;
    struct graft_image images[GRAFT_IMAGES]; /* user images; ntdll first, if it is there */
    unsigned image_count;
    char name[GRAFT_NAME]; /* UTF-8 */
};

struct graft_survey {
    const struct etl_header *header; /* of the last session */
    int64_t header_offset;           /* of its header buffer in the input */
    int64_t end_offset;              /* behind the last buffer */
    int64_t last_sequence;
    unsigned processors; /* one more than the highest number */
    bool cut;            /* the input ends inside a buffer */
    int64_t first_raw, last_raw;
    struct graft_process *processes;
    size_t process_count;
};

/* Reads the whole file. The survey refers to it. 0, or -1 with `e` filled. */
int graft_survey(struct graft_survey *s, struct etl_file *file, struct eh_error *e);
void graft_survey_finish(struct graft_survey *s);

#endif
