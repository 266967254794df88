"""The evidence score: what each part's value says about fraud, in bits, learned from the log while it is scored.

    value ──tails──► code (uint8) ──evidence──► bits ──weights──► contribution ──sum──► total ──fixed_odds──► points
              ▲                        ▲                    ▲
        earlier values          labels by bin         one step a label        `counts.ScoreCounts`, all integers

`kernel.score_log` walks payments and labels in the order of the log. `definition` says what a score consists of,
`reading` reads it from `score.yaml`, `score_state` keeps its counts for a partition, `scorer` is the `scorer.Scorer`.
"""
