/* check_tracker.c - tracker.c, and a way to its swarm; see check.h */
#include "../../tracker.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

const struct swarm *check_tracker_swarm(const struct tracker *tracker)
{
	return tracker->swarm;
}

struct tracker *check_tracker_guard(const struct tracker *tracker)
{
	const struct tracker_options *options = &tracker->options;
	struct tracker *guarded = tracker_init(place_zeros(PLACE_TRACKER, tracker_size(options)),
	    options);

	guarded->clients = stats_clients_init(place_zeros(PLACE_CLIENTS, stats_clients_size()),
	    &options->secret);
	guarded->text = place_garbage(PLACE_TEXT, text_size(options));
	guarded->scratch = place_garbage(PLACE_SCRATCH, msg_scratch_size());
	guarded->swarm = check_swarm_guard(&options->limits, &options->secret);
	return guarded;
}

UNNOTICED_END
