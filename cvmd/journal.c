/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

/* Those that somebody may look for; units/cvmd.catalog explains each. */
static const struct {
    const char *event, *id;
    int priority;
} messages[] = {
    {"launched", "47eaa0992cb6416d86dc283cf0480ff9", LOG_INFO},
    {"launch-failed", "1509bb0a9bf143318a118783593942a4", LOG_ERR},
    {"start-failed", "f5ec52ed0108447592e1bc7656670b14", LOG_ERR},
    {"stopped", "59ba1b0d5c904158a909406c2e416788", LOG_INFO},
    {"failed", "5d32fe61985f44e7aa095ee82bb29976", LOG_ERR},
    {"vm-stopped", "9a1e40b458154a9999e2d15364c7a500", LOG_CRIT},
    {"denied", "68b4aef73eaa4e179d8a4eace693ae2d", LOG_WARNING},
    {"orphan-released", "142c83647806457793e783e7eb04b39b", LOG_NOTICE},
    {"orphan-ended", "14ba0af4ca604367a870389cd14d8a23", LOG_NOTICE},
    {"events-lost", "3b041641178844f2a60df25453fe2e85", LOG_WARNING},
    {"daemon-start", "00a154d85ed84bccb5c719c2add9ca88", LOG_INFO},
    {"operation-interrupted", "c0290103855d4f5599ec8712e8e3574f", LOG_WARNING},
};

void journal_event(const char *event, const char *machine, const char *uuid, const char *who,
                   const char *message) {
    const char *id = NULL;
    int priority = LOG_INFO;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (strcmp(messages[i].event, event) == 0) {
            id = messages[i].id;
            priority = messages[i].priority;
        }
    /* systemd sets it where standard error goes to the journal. */
    if (!id || !getenv("JOURNAL_STREAM")) {
        fprintf(stderr, "<%d>%s%s%s: %s\n", priority, machine ?: "", machine ? " " : "", event, message);
        return;
    }
    (void)sd_journal_send("MESSAGE=%s%s%s: %s", machine ?: "", machine ? " " : "", event, message,
                          "PRIORITY=%i", priority, "MESSAGE_ID=%s", id, "CVMD_EVENT=%s", event,
                          "CVMD_MACHINE=%s", machine ?: "", "CVMD_UUID=%s", uuid ?: "", "CVMD_WHO=%s",
                          who ?: "", "CVMD_TEXT=%s", message, NULL);
}
