/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as structured messages of the journal: MESSAGE_ID of units/cvmd.catalog, CVMD_EVENT, CVMD_MACHINE,
 * CVMD_UUID, CVMD_WHO, CVMD_TEXT. A line on standard error where there is no journal.
 */
#ifndef CVMD_JOURNAL_H
#define CVMD_JOURNAL_H

/* All but @event and @message may be NULL. */
void journal_event(const char *event, const char *machine, const char *uuid, const char *who,
                   const char *message);

#endif
