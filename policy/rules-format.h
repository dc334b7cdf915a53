/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Policy as JSON, in the form that policy/rules-parse.h reads. The caller frees *ret; all return 0 or -ENOMEM. */

#include "policy/rules.h"

/* The whole set as one file. */
int policy_set_format(const PolicySet *set, char **ret);

/* One entry, in one line. */
int policy_rule_format(const PolicyRule *rule, char **ret);
int policy_label_format(const PolicyLabel *label, char **ret);
int policy_claim_format(const PolicyClaim *claim, char **ret);
int policy_demand_format(const PolicyDemand *demand, char **ret);
