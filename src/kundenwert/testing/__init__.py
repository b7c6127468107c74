"""Checks for models: the same ones that the models of kundenwert have to pass.

::

    from kundenwert.testing import check_purchase_model

    def test_my_model():
        check_purchase_model(MyModel.Parameters(r=0.4, alpha=12.0, unit="week"))

They need no test framework. A model that fails raises :class:`kundenwert.errors.ModelError`, an `AssertionError`.
"""

from kundenwert.testing.checking import check_contract_model, check_purchase_model, check_spend_model

__all__ = ["check_contract_model", "check_purchase_model", "check_spend_model"]
