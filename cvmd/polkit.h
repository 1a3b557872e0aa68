/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may do what: root everything, others what polkit says (actions: cvmd/org.cvmd1.policy). Every denial
 * goes to the audit log.
 */
#ifndef CVMD_POLKIT_H
#define CVMD_POLKIT_H

#include "util.h"

struct manager;

#define POLKIT_DEFINE "org.cvmd1.define"   /* Define, Launch, SetProperties, Delete */
#define POLKIT_CONTROL "org.cvmd1.control" /* Start, Stop, Kill, Pause, Resume, Reboot, PutKey */
#define POLKIT_CONSOLE "org.cvmd1.console" /* OpenConsole, OpenLog */
#define POLKIT_IMAGES "org.cvmd1.images"   /* ImportImage, DeleteImage, CollectImages */
#define POLKIT_AUDIT "org.cvmd1.audit"     /* ReadAudit */
#define POLKIT_RELOAD "org.cvmd1.reload"   /* Reload */
#define POLKIT_HOST "org.cvmd1.host"       /* GetEndorsement, ActivateCredential */
#define POLKIT_CLIENTS "org.cvmd1.clients" /* of org.cvmd1.Clients all but Authority */

/**
 * polkit_authorize - whether the sender of a call may do what it asks
 * @action: one of the above
 * @machine: name for rules and audit log, NULL if the call is about none
 * @handler, @userdata: called again with the rewound message when polkit has answered; reads its arguments
 * anew and comes back here, which then tells the answer
 * @who: in words, when allowed; the caller frees
 *
 * Returns 1: allowed; 0: polkit has been asked, return 1 from the handler; negative: denied, @error is set:
 * org.cvmd1.Error.Denied, or InteractiveAuthorizationRequired if the user could authenticate and the call
 * does not allow asking.
 */
int polkit_authorize(sd_bus_message *call, struct manager *m, const char *action, const char *machine,
                     sd_bus_message_handler_t handler, void *userdata, char **who, sd_bus_error *error);
void polkit_free(struct manager *m);

#endif
