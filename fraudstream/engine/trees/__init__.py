"""Decision trees that score exactly: double thresholds, fixed-point leaves, an integer sum that decides.

    model artefact ──model──► trees, inputs, calibration, threshold        checked when it is read
                     trees ──layout──► nodes as compiled code reads them
    columns ──kernel──► int64 sums ──calibration──► points                 every payment
                        contributions of each input                       alerted and explained payments only

`scorer.ModelScorer` puts these behind the interface `engine.scorer`. Integer sums have no order of summation: batch
size, threads and machine cannot change a bit of a score.
"""
