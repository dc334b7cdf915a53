/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What is true of the host as a whole, apart from its devices and groups. host/host-facts.h reads it. */

#include "base/macro.h"

typedef enum Answer {
        ANSWER_UNKNOWN, /* the kernel does not tell */
        ANSWER_NO,
        ANSWER_YES,
        _ANSWER_MAX,
} Answer;

typedef struct HostFacts {
        unsigned n_iommus;             /* that the kernel uses */
        Answer interrupt_remapping;    /* whether a device can send only its own interrupts */
        bool unsafe_interrupts_type1;  /* the administrator lets VFIO's containers do without (vfio_iommu_type1.allow_unsafe_interrupts) */
        bool unsafe_interrupts_iommufd; /* the same of iommufd */
        bool unsafe_noiommu;           /* vfio.enable_unsafe_noiommu_mode */
        bool has_vfio_pci;             /* the driver is registered */
        bool has_container;            /* /dev/vfio/vfio */
        bool has_iommufd;              /* /dev/iommu */
        char *kernel;                  /* its release; NULL: unknown */
        char *command_line;            /* of the kernel; NULL: unknown */
        char **foreign_managers;       /* in words: who else is set up to move devices on this host; NULL: nobody found */
} HostFacts;

void host_facts_done(HostFacts *facts);
