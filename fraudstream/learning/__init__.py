"""Models from labelled payments: the training table, training, calibration, the card; import and export of models.

    payments ──engine──► features as they were when each payment was decided ──training_table──► rows
    rows ──boosting──► trees ──probability──► calibration, threshold ──card──► model artefact

LightGBM, XGBoost and onnx are optional (the extra `learning`): they are imported where they are used.
"""
