"""Every shipped mapping reads a small file with the columns of its data set. The rows are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.backtest.mapping import load_mapping, shipped_mappings
from fraudstream.backtest.payment_columns import PaymentBatch
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.contracts import Payment

HANDBOOK = """TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,\
TX_FRAUD,TX_FRAUD_SCENARIO
0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0
1,2018-04-01 00:02:10,4961,3412,220.5,130,0,1,1
"""
SYNCCFD = """TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,\
TX_FRAUD_SCENARIO,TX_TYPE,TX_SHIPP_LAT,TX_SHIPP_LONG,TX_BILL_LAT,TX_BILL_LONG,TX_TERM_LAT,TX_TERM_LONG
7,2023-01-02 10:00:00,1,9,5.00,0,0,0,0,CNP,50.5,4.25,50.5,4.25,,
5,2023-01-01 10:00:00,1,8,12.34,0,0,1,2,CP,,,50.5,4.25,51.0,3.5
"""
PAYSIM_1 = """step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,\
isFlaggedFraud
1,PAYMENT,9839.64,C123,170136.0,160296.36,M197,0.0,0.0,0,0
1,TRANSFER,181.0,C130,181.0,0.0,C553,0.0,0.0,1,0
743,CASH_IN,1.0E7,C9,0.0,10000000.0,C8,5.5,0.0,0,1
"""
PAYSIM_2 = """step,action,amount,nameOrig,oldBalanceOrig,newBalanceOrig,nameDest,oldBalanceDest,newBalanceDest,isFraud,\
isFlaggedFraud,isUnauthorizedOverdraft
2,DEBIT,12.5,C1,-10.0,-22.5,B7,0.0,12.5,0,0,1
"""
SPARKOV = """,trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,zip,lat,long,\
city_pop,job,dob,trans_num,unix_time,merch_lat,merch_long,is_fraud
0,2019-01-01 00:00:18,2703186189652095,"fraud_Rippin, Kub and Mann",misc_net,4.97,A,B,F,"1, Some Road",X,NC,28654,\
36.0788,-81.1781,3495,"Psychologist, counselling",1988-03-09,0b242abb,1325376018,36.011293,-82.048315,0
1,2019-01-01 00:00:44,630423337322,fraud_Heller,entertainment,220.11,C,D,M,2 Some Road,Y,ID,83252,42.1808,-112.262,\
4154,Nurse,1962-01-19,a1a22d70,1325376044,43.150704,-112.154481,1
"""
TABFORMER = """User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,Zip,MCC,\
Errors?,Is Fraud?
0,0,2002,9,1,06:21,$134.09,Swipe Transaction,3527213246127876953,La Verne,CA,91750.0,5300,,No
0,0,2002,9,1,06:42,$-99.00,Online Transaction,-727612092139916043,ONLINE,,,742,"Bad PIN,",Yes
"""
ULB = (
    "Time," + ",".join(f"V{i}" for i in range(1, 29)) + ",Amount,Class\n"
    "0," + ",".join(["-1.5"] * 28) + ',149.62,"0"\n'
    "172792," + ",".join(["0.25"] * 28) + ',0,"1"\n'
)
S_FFSD = """Time,Source,Target,Amount,Location,Type,Labels
0,S10000,T1000,13.74,L100,TP100,2
1,S10001,T1000,73.17,L100,TP100,1
2,S10001,T1001,5,L101,TP101,0
"""


def read(tmp_path: Path, mapping: str, text: str, sort: bool = False) -> PaymentBatch:
    path = tmp_path / "payments.csv"
    path.write_text(text)
    (batch,) = PaymentFile(path, load_mapping(mapping)).batches(sort)
    return batch


def test_handbook(tmp_path: Path) -> None:
    batch = read(tmp_path, "handbook", HANDBOOK)
    assert batch.payments[1] == Payment(
        event_id="1",
        occurred_at=1522540930000,
        account_id="4961",
        amount="220.50",
        currency="EUR",
        direction="debit",
        kind="purchase",
        terminal_id="3412",
    )
    assert batch.labels.tolist() == [0, 1]
    assert batch.rows.tolist() == [1, 2]


def test_synccfd_is_sorted_and_keeps_its_locations(tmp_path: Path) -> None:
    batch = read(tmp_path, "synccfd", SYNCCFD, sort=True)
    at_terminal, online = batch.payments
    assert (at_terminal.event_id, at_terminal.channel, at_terminal.card_present) == ("5", "pos", True)
    assert (at_terminal.lat, at_terminal.lon) == (51.0, 3.5)
    assert (online.channel, online.card_present, online.lat) == ("web", False, None)
    assert online.attributes == {"shipping_lat": 50.5, "shipping_lon": 4.25, "billing_lat": 50.5, "billing_lon": 4.25}
    assert batch.rows.tolist() == [2, 1]


def test_paysim_1(tmp_path: Path) -> None:
    batch = read(tmp_path, "paysim_v1", PAYSIM_1)
    payment, transfer, cash_in = batch.payments
    assert (payment.kind, payment.direction, payment.merchant_id) == ("purchase", "debit", "M197")
    assert (payment.amount, payment.balance_before, payment.balance_after) == ("9839.64", "170136.00", "160296.36")
    assert (transfer.kind, transfer.merchant_id, transfer.counterparty_id) == ("transfer", None, "C553")
    assert (cash_in.direction, cash_in.amount, cash_in.occurred_at) == ("credit", "10000000.00", 1454281200000)
    assert batch.labels.tolist() == [0, 1, 0]


def test_paysim_2(tmp_path: Path) -> None:
    batch = read(tmp_path, "paysim_v2", PAYSIM_2)
    assert batch.payments[0].balance_before == "10.00"
    assert batch.payments[0].attributes == {
        "flagged": False,
        "unauthorized_overdraft": True,
        "counterparty_balance_before": 0.0,
        "counterparty_balance_after": 12.5,
    }


def test_sparkov(tmp_path: Path) -> None:
    first, second = read(tmp_path, "sparkov", SPARKOV).payments
    assert (first.merchant_id, first.channel, first.card_present) == ("fraud_Rippin, Kub and Mann", "web", False)
    assert (first.occurred_at, first.lat, first.lon) == (1546300818000, 36.011293, -82.048315)
    assert (second.channel, second.card_present, second.amount) == (None, None, "220.11")


def test_tabformer(tmp_path: Path) -> None:
    batch = read(tmp_path, "tabformer", TABFORMER, sort=True)
    purchase, refund = batch.payments
    assert (purchase.event_id, purchase.account_id, purchase.occurred_at) == ("tabformer-1", "0-0", 1030861260000)
    assert (purchase.direction, purchase.kind, purchase.amount) == ("debit", "purchase", "134.09")
    assert (refund.direction, refund.kind, refund.amount) == ("credit", "refund", "99.00")
    assert (refund.mcc, refund.channel) == ("0742", "web")
    assert refund.attributes == {"city": "ONLINE", "errors": "Bad PIN,"}
    assert batch.labels.tolist() == [0, 1]


def test_ulb_rows_have_no_common_account(tmp_path: Path) -> None:
    batch = read(tmp_path, "ulb", ULB)
    assert [payment.account_id for payment in batch.payments] == ["row-1", "row-2"]
    assert batch.payments[0].attributes == {f"V{i}": -1.5 for i in range(1, 29)}
    assert batch.payments[1].amount == "0.00"


def test_s_ffsd_has_unlabelled_rows(tmp_path: Path) -> None:
    batch = read(tmp_path, "s_ffsd", S_FFSD)
    assert batch.labels.tolist() == [-1, 1, 0]
    assert batch.payments[1].counterparty_id == "T1000"
    assert batch.payments[2].amount == "5.00"


@pytest.mark.parametrize("name", shipped_mappings())
def test_every_mapping_names_its_source(name: str) -> None:
    mapping = load_mapping(name)
    assert mapping.title
    assert mapping.name == name
