/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Rule 9: who may open nodes. */

#include "tests/walk/rules.h"

/* A worker is about to give a node to somebody, as its row says; it is one of an assignment that has not ended, or of a closed group. */
void rules_check_node_write(Rules *rules, const WorldWorker *worker, const WorkerRequest *request);

/* No node belongs to anybody but root, or whom an assignment that has not ended gives it to. At rest: and each is given that is to be. */
void rules_check_nodes(Rules *rules, bool at_rest);
