/*
 * dashboard.h - /stats for browsers: what there is and what was, as one page.
 *
 * HTML with graphs as inline SVG, drawn here: it needs no script, and has a short one that fetches
 * it again. Nothing comes from elsewhere, nothing of a request is in it; what strangers choose, the
 * names of clients, is escaped, and at most DASHBOARD_CLIENTS rows are shown, the rest summed. It
 * always fits. Pure; costs the same whatever the tables hold.
 */
#ifndef DASHBOARD_H
#define DASHBOARD_H

#include <stddef.h>

#include "history.h"
#include "stats.h"

#define DASHBOARD_CLIENTS 40
#define DASHBOARD_TEXT_MAX (40 * 1024)

/* The page with the graphs of a range. Without counters all of them are 0, without history (NULL)
 * there are no graphs. Writes at most DASHBOARD_TEXT_MAX bytes, not terminated, and
 * returns how many. */
size_t dashboard(const struct stats_numbers *numbers, const struct history *history,
    enum history_range range, char *out);

/* Its Content-Security-Policy: a whole header line, with CRLF. */
const char *dashboard_policy(void);

#endif
