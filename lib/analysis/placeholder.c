// SPDX-License-Identifier: MIT
// Placeholder until the layer's first file lands.
int psc_analysis_placeholder;
